"""The hash of a table: what it must not see, and what it must see."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from python_ml.snapshots.content import Columns, ContentError, content

KEY = ["customer_id", "feature_timestamp"]
ROWS = 40


def table() -> pa.Table:
    """A row per type and trouble: nulls, NaN, text of several bytes, empty text."""
    row = range(ROWS)
    return pa.table(
        {
            "customer_id": [f"c{i // 4:02d}" for i in row],
            "feature_timestamp": pa.array([datetime(2024, 1 + i % 4, 1) for i in row], pa.timestamp("us")),
            "amount": pa.array([None if i % 7 == 0 else float("nan") if i % 11 == 0 else i / 3 for i in row]),
            "score": pa.array([i / 4 for i in row], pa.float32()),
            "orders": pa.array([None if i % 5 == 0 else i for i in row], pa.int64()),
            "visits": pa.array([i % 3 for i in row], pa.int32()),
            "plan": pa.array([None if i % 6 == 0 else ["", "basic", "größer", "日本"][i % 4] for i in row]),
            "opt_in": pa.array([None if i % 9 == 0 else i % 2 == 0 for i in row]),
            "price": pa.array([Decimal(i) / 100 for i in row], pa.decimal128(9, 2)),
            "since": pa.array([None if i % 8 == 0 else date(2020, 1, 1 + i % 28) for i in row]),
            "label_timestamp": pa.array([datetime(2024, 2 + i % 4, 1) for i in row], pa.timestamp("us")),
            "churned": pa.array([i % 2 for i in row], pa.int32()),
        }
    )


def digest(found: pa.Table) -> str:
    """Its hash."""
    return content(Columns.of_table(found), KEY).sha256


def with_column(name: str, change: Callable[[pa.ChunkedArray], pa.Array]) -> pa.Table:
    """The table with one column changed."""
    found = table()
    return found.set_column(found.schema.get_field_index(name), name, change(found[name]))


def with_cell(name: str, row: int, value: object) -> pa.Table:
    """The table with one cell changed."""

    def change(column: pa.ChunkedArray) -> pa.Array:
        values = column.to_pylist()
        assert values[row] != value
        values[row] = value
        return pa.array(values, column.type)

    return with_column(name, change)


# A published vector: what was hashed once must be hashed alike for ever, by any version of Arrow and of this package.
PUBLISHED = "0005e6576cc1658026ce5b5ea7d2ca0388e39df21fd9ef0599d7906bc0956006"


def test_the_hash_is_the_published_one() -> None:
    assert digest(table()) == PUBLISHED


@given(st.permutations(range(ROWS)))
def test_the_order_of_rows_does_not_matter(order: list[int]) -> None:
    assert digest(table().take(pa.array(order))) == digest(table())


@pytest.mark.parametrize("writer", ["duckdb", "pandas", "polars", "pyarrow, small pages", "pyarrow, nanoseconds"])
def test_the_writer_does_not_matter(writer: str, tmp_path: Path) -> None:
    path, found = tmp_path / "rows.parquet", table()
    if writer == "duckdb":
        with duckdb.connect() as connection:
            connection.register("found", found)
            connection.execute(f"copy (from found order by hash(orders)) to '{path}' (format parquet, codec 'zstd')")
    elif writer == "pandas":
        # pandas' own types take NaN for null
        found.to_pandas(types_mapper=pd.ArrowDtype).to_parquet(path)
    elif writer == "polars":
        pytest.importorskip("polars").from_arrow(found).write_parquet(path)
    elif "small pages" in writer:
        pq.write_table(found, path, row_group_size=7, data_page_size=64, compression="none", use_dictionary=False)
    else:
        schema = pa.schema(
            [f.with_type(pa.timestamp("ns")) if pa.types.is_timestamp(f.type) else f for f in found.schema]
        )
        pq.write_table(found.cast(schema), path)
    assert content(Columns.of_parquet(path), KEY).sha256 == digest(found)


def test_representations_of_one_content_are_one() -> None:
    assert digest(with_column("plan", lambda c: c.cast(pa.large_string()))) == digest(table())
    assert digest(with_column("plan", lambda c: c.combine_chunks().dictionary_encode())) == digest(table())
    chunks = pa.concat_tables([table().slice(0, 3), table().slice(3, 20), table().slice(23)])
    assert digest(chunks) == digest(table())
    assert digest(pa.concat_tables([chunks.slice(9, 0), chunks])) == digest(table())
    hidden = pa.Array.from_buffers(
        pa.int64(), ROWS, [table()["orders"].combine_chunks().buffers()[0], pa.array(np.arange(ROWS) * 31).buffers()[1]]
    )
    shown = with_column("orders", lambda c: pa.array([None if v is None else v * 31 for v in c.to_pylist()]))
    assert digest(with_column("orders", lambda c: hidden)) == digest(shown), "what lies under a null counts"


def test_zero_has_no_sign_and_nan_is_one() -> None:
    zeros = with_column("amount", lambda c: pa.array([0.0, float("nan")] * (ROWS // 2)))
    other = np.frombuffer(np.uint64(0xFFF8000000000123).tobytes(), dtype=np.float64)[0]
    assert digest(with_column("amount", lambda c: pa.array([-0.0, other] * (ROWS // 2)))) == digest(zeros)


@pytest.mark.parametrize("row", [0, 17, ROWS - 1])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("customer_id", "c99"),
        ("feature_timestamp", datetime(2024, 1, 1, 0, 0, 0, 1)),
        ("amount", 1e-300),
        ("score", 0.125),
        ("orders", -1),
        ("visits", 77),
        ("plan", "basic "),
        ("price", Decimal("999.01")),
        ("since", date(1969, 12, 31)),
        ("churned", 9),
    ],
)
def test_one_cell_is_seen(name: str, row: int, value: object) -> None:
    assert digest(with_cell(name, row, value)) != digest(table())


def test_null_nan_zero_and_empty_text_are_four_things() -> None:
    variants = [with_cell("amount", 1, value) for value in (None, float("nan"), 0.0)]
    variants += [with_cell("plan", 1, ""), with_cell("plan", 1, None)]
    assert len({digest(found) for found in [table(), *variants]}) == 6
    assert digest(with_cell("opt_in", 1, None)) != digest(with_cell("opt_in", 1, True)) != digest(table())


def test_text_does_not_run_into_its_neighbour() -> None:
    def plans(first: str, second: str) -> str:
        return digest(with_column("plan", lambda c: pa.array([first, second] + ["x"] * (ROWS - 2))))

    assert len({plans("ab", "c"), plans("a", "bc"), plans("abc", ""), plans("", "abc")}) == 4


def test_schema_is_seen() -> None:
    found = table()
    changed = {
        "renamed": found.rename_columns(["Orders" if n == "orders" else n for n in found.column_names]),
        "wider": with_column("visits", lambda c: c.cast(pa.int64())),
        "retyped": with_column("visits", lambda c: c.cast(pa.float64())),
        "decimal": with_column("price", lambda c: c.cast(pa.decimal128(10, 2))),
        "zone": with_column("label_timestamp", lambda c: c.cast(pa.timestamp("us", tz="UTC"))),
        "moved": found.select([*found.column_names[1:], found.column_names[0]]),
        "dropped": found.drop_columns(["since"]),
        "added": found.append_column("copy", found["since"]),
    }
    hashes = {name: digest(changed_table) for name, changed_table in changed.items()}
    assert len({*hashes.values(), digest(found)}) == len(changed) + 1


def test_swapped_columns_and_swapped_rows_are_seen() -> None:
    found = table().append_column("visits_too", pa.array(range(ROWS), pa.int32()))
    names = found.column_names
    i, j = names.index("visits"), names.index("visits_too")
    swapped = found.set_column(i, "visits", found["visits_too"]).set_column(j, "visits_too", found["visits"])
    assert digest(swapped) != digest(found)
    values = table()["orders"].to_pylist()
    values[1], values[2] = values[2], values[1]
    assert digest(with_column("orders", lambda c: pa.array(values, pa.int64()))) != digest(table())


def test_rows_are_seen() -> None:
    found = table()
    assert digest(found.slice(1)) != digest(found)
    assert digest(found.slice(0, 0)) != digest(found)
    extra = with_cell("customer_id", 3, "c98").slice(3, 1)
    assert digest(pa.concat_tables([found, extra])) != digest(found)
    with pytest.raises(ContentError, match=r"1 row\(s\) have the key of another row"):
        digest(pa.concat_tables([found, found.slice(3, 1)]))


def test_what_has_no_canonical_form_is_refused() -> None:
    with pytest.raises(ContentError, match="column baskets: values of type list"):
        digest(table().append_column("baskets", pa.array([[1]] * ROWS)))
    with pytest.raises(ContentError, match="no key"):
        digest(with_cell("customer_id", 3, None))
    with pytest.raises(ContentError, match="two columns are named orders"):
        digest(table().append_column("orders", table()["orders"]))
    with pytest.raises(ContentError, match="column seen: a time is finer"):
        digest(table().append_column("seen", pa.array([1] * ROWS, pa.timestamp("ns"))))
    with pytest.raises(ContentError, match="there is no column customer_id"):
        digest(table().drop_columns(["customer_id"]))


def test_a_name_that_looks_like_a_path_is_one_column(tmp_path: Path) -> None:
    found = table().append_column("orders.last", table()["visits"]).append_column('a "b", c', table()["visits"])
    pq.write_table(found, tmp_path / "rows.parquet")
    assert content(Columns.of_parquet(tmp_path / "rows.parquet"), KEY).sha256 == digest(found)
