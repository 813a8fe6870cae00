"""Reference statistics and counts of drift: the same SQL gives the same figures on Spark and on DuckDB."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from python_ml.input_columns import CATEGORY, FLAG, NUMBER, InputColumn
from python_ml.monitor.counting import TableRows
from python_ml.monitor.domain import sampled_frame
from python_ml.monitor.reference import measure_reference

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

COLUMNS = [
    InputColumn("a `b`", NUMBER),
    InputColumn("few", NUMBER),
    InputColumn("empty", NUMBER),
    InputColumn("flag", FLAG),
    InputColumn("word", CATEGORY),
]
ROWS = """
    select
        concat('c', cast(i % 37 as string)) as who,
        cast(case when i < 60 then '2024-01-01' else '2024-02-01' end as timestamp) as feature_timestamp,
        case when i % 10 = 0 then cast(null as double) when i = 7 then cast('NaN' as double)
            when i = 8 then cast('Infinity' as double) else cast(i * i as double) / 7 end as a_b,
        cast(i % 3 as decimal(9, 2)) as few,
        cast(null as integer) as empty,
        i % 2 = 0 as flag,
        case when i % 5 = 0 then null when i % 5 = 1 then 'it''s' else 'ü' end as word
    from {numbers}
"""


def measured(session: object) -> tuple:
    rows = TableRows(session, "drift_rows", "who")
    reference = measure_reference(rows, COLUMNS)
    [january, _] = rows.times()
    later = rows.between(after=january).counted([column.bins for column in reference.columns.values()])
    sample = sampled_frame(rows, COLUMNS, 50, 100)
    return reference, later, sample["customer"].tolist()


def test_both_engines_count_the_same(spark: SparkSession) -> None:
    spark.sql(ROWS.format(numbers="(select explode(sequence(0, 99)) as i)")).withColumnRenamed(
        "a_b", "a `b`"
    ).createOrReplaceTempView("drift_rows")
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        rows = ROWS.format(numbers="range(100) as r(i)").replace("as a_b", 'as "a `b`"')
        connection.execute(f"create table drift_rows as {rows}")
        (reference, later, sample), (theirs, theirs_later, theirs_sample) = measured(connection), measured(spark)
    assert sample == theirs_sample
    assert reference.customers == theirs.customers
    for ours, others in ((reference.periods, theirs.periods), (later, theirs_later)):
        assert list(ours) == list(others)
        for time, counts in ours.items():
            assert (counts.rows, counts.customers) == (others[time].rows, others[time].customers)
            for name, column in counts.columns.items():
                other = others[time].columns[name]
                assert (column.counts, column.values) == (other.counts, other.values)
                assert (column.total, column.squares) == pytest.approx((other.total, other.squares))
    for name, column in reference.columns.items():
        other = theirs.columns[name]
        assert column.bins.edges == pytest.approx(other.bins.edges)
        assert (column.bins.categories, column.bins.exact) == (other.bins.categories, other.bins.exact)
        assert column.quantiles == (None if other.quantiles is None else pytest.approx(other.quantiles))
