"""The SQL that measures is the SQL that dbt compiles."""

from __future__ import annotations

import pytest

from python_ml.errors import RetentionError
from python_ml.ingest import rendered
from python_ml.ingest.macros import _environment
from python_ml.ingest.schema import Reading
from python_ml.ingest.typing import typed_expression
from tests.python.temporal.engine import MacroCompiler

READINGS = {
    Reading("text"): ("clean_text", {}),
    Reading("text", strip_point_zero=True, strip_zeros=True): (
        "key_text", {"strip_point_zero": True, "strip_zeros": True},
    ),
    Reading("integer"): ("to_integer", {}),
    Reading("decimal", scale=4, style="grouped"): ("to_decimal", {"precision": 18, "scale": 4, "style": "grouped"}),
    Reading("decimal", style="decimal_comma"): ("to_decimal", {"precision": 18, "scale": 2, "style": "decimal_comma"}),
    Reading("boolean"): ("to_boolean", {}),
    Reading("duration", scale=3): ("duration_seconds", {"scale": 3}),
    Reading("timestamp"): ("to_timestamp", {}),
    Reading("timestamp", formats=("%d %b %Y", "epoch_ms"), language="fr"): (
        "to_timestamp", {"formats": ["%d %b %Y", "epoch_ms"], "language": "fr"},
    ),
    Reading("timestamp", formats=("month", "quarter", "iso_week", "year", "excel_serial")): (
        "to_timestamp", {"formats": ["month", "quarter", "iso_week", "year", "excel_serial"]},
    ),
    Reading("timestamp", formats=("%d.%m.%Y",), clock_column="clock", utc_offset="-05:30"): (
        "to_timestamp", {"formats": ["%d.%m.%Y"], "clock": '"clock"', "utc_offset": "-05:30"},
    ),
    Reading("timestamp", formats=("%Y-%m-%d %z",)): ("to_timestamp", {"formats": ["%Y-%m-%d %z"]}),
}  # fmt: skip


@pytest.fixture(scope="module")
def compiler(tmp_path_factory):
    return MacroCompiler(tmp_path_factory.mktemp("compiled"))


def test_dbt_compiles_the_same(compiler):
    for reading, (macro, arguments) in READINGS.items():
        sql = rendered(typed_expression(reading, "amount"))
        assert sql.split() == compiler.sql(macro, {"column": "amount"} | arguments).split()


def test_columns_with_types_are_cast(tmp_path):
    assert typed_expression(Reading("integer", "INTEGER"), "n") == "cast(n as bigint)"
    assert typed_expression(Reading("decimal", "DOUBLE", scale=4), "n") == "try_cast(n as decimal(18, 4))"
    assert typed_expression(Reading("boolean", "BOOLEAN"), "n") == "n"
    assert rendered(typed_expression(Reading("text", "BIGINT"), "n")) == "cast(n as TEXT)"


def test_wrong_arguments_are_refused():
    with pytest.raises(RetentionError, match="no style"):
        rendered("{{ customer_retention.number_text('x', 'roman') }}")
    with pytest.raises(RetentionError, match="no format"):
        rendered("{{ customer_retention.to_timestamp('x', ['fortnight']) }}")


def test_macros_load_quickly():
    import time

    _environment.cache_clear()
    started = time.process_time()
    _environment()
    rendered("{{ customer_retention.to_timestamp('a_column_of_this_test') }}")
    assert time.process_time() - started < 0.3
