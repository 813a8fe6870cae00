"""The same SQL on Apache Spark and on DuckDB: one session, two engines, equal rows."""
