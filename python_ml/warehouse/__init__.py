"""The warehouse: the one package that knows which engine it is.

SQL of the Python half is DuckDB's. On Spark and Databricks a DuckDB in memory answers it, over the tables of the remote
warehouse (:mod:`python_ml.warehouse.remote`).
"""

from python_ml.warehouse.access import (
    connect,
    connect_to,
    count_columns,
    drop_tables,
    has_warehouse,
    open_backend,
    read_arrow,
    read_table,
    warehouse_place,
    write_table,
)
from python_ml.warehouse.databricks import statement_runner
from python_ml.warehouse.naming import literal, quote, quote_for_spark, relation, relation_for_spark
from python_ml.warehouse.sessions import (
    OBSERVATION,
    append_rows,
    arrow_table,
    as_frame,
    declare_table,
    has_table,
    is_duckdb,
    is_spark,
    observation_end,
    query_session,
    quoted_by,
    replace_rows,
    selected_by,
    table_exists,
)
from python_ml.warehouse.targets import (
    DATABRICKS,
    DUCKDB,
    PRODUCTION,
    SPARK,
    engine,
    profiles_path,
    require_engine,
    schema_prefix,
    target_settings,
)

__all__ = [
    "DATABRICKS",
    "DUCKDB",
    "OBSERVATION",
    "PRODUCTION",
    "SPARK",
    "append_rows",
    "arrow_table",
    "as_frame",
    "connect",
    "connect_to",
    "count_columns",
    "declare_table",
    "drop_tables",
    "engine",
    "has_table",
    "has_warehouse",
    "is_duckdb",
    "is_spark",
    "literal",
    "observation_end",
    "open_backend",
    "profiles_path",
    "query_session",
    "quote",
    "quote_for_spark",
    "quoted_by",
    "read_arrow",
    "read_table",
    "relation",
    "relation_for_spark",
    "replace_rows",
    "require_engine",
    "schema_prefix",
    "selected_by",
    "statement_runner",
    "table_exists",
    "target_settings",
    "warehouse_place",
    "write_table",
]
