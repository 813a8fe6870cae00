"""Numbers that are tiny, huge or none at all: the types that a plan chooses, and what bronze quarantines."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from python_ml.generate.render import Renderer, checked_model
from tests.python.plan.planning import examined, proposed

ROWS = 600


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """Orders in parquet: an amount with NaN and infinity, numbers with all digits of a double, tiny and huge ones."""
    path: Path = tmp_path_factory.mktemp("data") / "orders.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"""
            copy (
                select
                    i as order_id,
                    'C' || i % 50 as customer_id,
                    timestamp '2023-01-02' + i * interval '8' hour as ordered_at,
                    case
                        when i in (7, 70) then 'nan'::double when i = 300 then 'inf'::double else (i % 97) / 4
                    end as amount,
                    (i % 11) / 13 as ratio, ((i % 9) * 4e-5) as fee,
                    ((i % 5) * 1e20 + 0.5) as mass, (i % 4)::float as stars
                from range({ROWS}) as t (i)
            ) to '{path}' (format parquet)
        """)
    examination = examined(path, horizon="30d")
    return examination, examination.planned(proposed(examination))


def test_measures_have_a_type_that_rounds_nothing(planned):
    _, made = planned
    (source,) = made.plan.sources
    types = {measure.name: measure.type for measure in source.measures}
    assert types == {
        "amount": "decimal(18, 2)", "ratio": "double", "fee": "decimal(18, 6)", "mass": "double",
        "stars": "decimal(18, 0)",
    }  # fmt: skip


def test_rows_that_are_no_numbers_are_quarantined_and_counted(planned):
    examination, _ = planned
    (rows,) = examination.profile.rows.values()
    assert rows.quarantined == {"NaN, infinite or too large amount": 3}


def test_the_checked_rows_show_what_came(planned):
    _, made = planned
    (source,) = made.plan.sources
    sql = checked_model(Renderer(made.plan), source)
    assert "{{ customer_retention.to_text('amount') }} as amount_raw" in sql
    assert "{{ customer_retention.finite('ratio') }} as ratio" in sql
