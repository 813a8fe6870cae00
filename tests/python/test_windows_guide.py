"""The examples of docs/guides/windows.md give what the guide says."""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "windows.md"
TYPES = {
    "order_id": "varchar",
    "customer_id": "varchar",
    "ordered_at": "timestamp",
    "loaded_at": "timestamp",
    "superseded_at": "timestamp",
    "amount": "decimal(18, 2)",
    "channel": "varchar",
    "returned": "boolean",
    "feature_timestamp": "timestamp",
}
_TABLE = r"((?:\|[^\n]*\n)+)"


def _rows(table: str) -> list[list[str]]:
    lines = [[cell.strip() for cell in line.strip("|\n ").split("|")] for line in table.splitlines()]
    return [lines[0], *lines[2:]]


def _arguments(call: str) -> dict[str, Any]:
    """The call of a macro; its arguments read the same in Jinja and in Python."""

    def value(node: ast.expr) -> Any:
        if isinstance(node, ast.Call):
            return node.args[0].value  # ref('orders')
        if isinstance(node, ast.Name):
            return {"true": True, "false": False, "none": None}[node.id]
        return ast.literal_eval(node)

    expression = ast.parse(call.strip().removeprefix("{{").removesuffix("}}").strip(), mode="eval").body
    return {keyword.arg: value(keyword.value) for keyword in expression.keywords}


def _examples() -> dict[str, tuple[dict[str, Any], list[list[str]]]]:
    text = GUIDE.read_text(encoding="utf-8")
    found = {}
    for match in re.finditer(
        rf"```sql\n(\{{\{{ customer_retention\.window_features.*?)```\n\n{_TABLE}", text, re.DOTALL
    ):
        title = re.findall(r"^#+ (.+)$", text[: match.start()], re.MULTILINE)[-1]
        name = title if title not in found else f"{title} ({len(found)})"
        found[name] = (_arguments(match[1]), _rows(match[2]))
    return found


EXAMPLES = _examples()


@pytest.fixture(scope="module")
def macros(tmp_path_factory):
    pytest.importorskip("duckdb")
    engine = importlib.import_module("tests.python.temporal.engine")
    return engine.MacroCompiler(tmp_path_factory.mktemp("windows_guide"))


@pytest.fixture(scope="module")
def shop():
    """The tables of the guide in DuckDB."""
    duckdb = pytest.importorskip("duckdb")
    text = GUIDE.read_text(encoding="utf-8")
    with duckdb.connect() as connection:
        for name in ("orders", "order_versions", "spine"):
            header, *rows = _rows(re.search(rf"<!-- {name} -->\n{_TABLE}", text)[1])
            columns = ", ".join(f"{column} {TYPES[column]}" for column in header)
            connection.execute(f"create table {name} ({columns})")
            values = [[None if cell == "null" else cell for cell in row] for row in rows]
            connection.executemany(f"insert into {name} values ({', '.join('?' * len(header))})", values)
        yield connection


def _as_written(value: Any, written: str) -> str:
    """A value to as many decimals as the guide shows."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        places = len(written.partition(".")[2])
        return f"{value:.{places}f}" if places else repr(value)
    return str(value)


def test_the_guide_has_its_examples():
    assert {"A first call", "Numbers", "Text", "Booleans", "Rhythm", "Comparisons"} <= EXAMPLES.keys()
    # those with a configuration are about how a table is kept, which the tests of daily runs show
    blocks = GUIDE.read_text(encoding="utf-8").split("```sql\n")[1:]
    calls = [block for block in blocks if block.startswith("{{ customer_retention.window_features(")]
    assert len(EXAMPLES) == len(calls)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_gives_what_the_guide_says(name, macros, shop):
    arguments, (header, *written) = EXAMPLES[name]
    cursor = shop.execute(f"select * from ({macros.sql('window_features', arguments)}) order by 1, 2")
    columns = [column[0] for column in cursor.description]
    rows = cursor.fetchall()
    assert header[1:] == [f"{row[0]}, {row[1]:%Y-%m-%d}" for row in rows]
    assert [line[0] for line in written] == columns[2:]
    found = [
        [columns[place], *(_as_written(row[place], cell) for row, cell in zip(rows, line[1:], strict=True))]
        for place, line in enumerate(written, start=2)
    ]
    assert found == written


def test_the_python_example_runs():
    [code] = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(code, {})
    assert "orders_amount_mean_30d" in output.getvalue()


def test_the_drawing_stands_where_the_guide_looks_for_it():
    for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", GUIDE.read_text(encoding="utf-8")):
        assert (GUIDE.parent / path).is_file()


def _macro_description(name: str) -> tuple[dict[str, Any], list[list[str]]]:
    """The example in the description of a macro: its arguments and the table of what it gives."""
    path = GUIDE.parents[2] / "macros" / "temporal" / "_temporal__macros.yml"
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))["macros"]
    text = next(entry["description"] for entry in entries if entry["name"] == name)
    call, result = text.split("Example:\n\n")[1].split("\n\ngives", 1)
    return _arguments(textwrap.dedent(call)), _rows(re.search(_TABLE, result + "\n")[1])


def test_the_example_in_the_description_of_window_features(macros, shop):
    arguments, (_, *written) = _macro_description("window_features")
    shop.execute(
        "create temp table slv_spine as select 'ada' as customer_id, timestamp '2024-06-01' as feature_timestamp"
    )
    shop.execute("""
        create temp table brz_app__orders as
        select 'ada' as customer_id, ordered_at, ordered_at as available_at, amount, channel
        from (values
            (timestamp '2024-05-30 12:00', 25.50, 'web'), (timestamp '2024-05-31 12:00', 12.00, 'app'),
            (timestamp '2024-05-10 12:00', -5.00, 'web')
        ) as orders (ordered_at, amount, channel)
    """)
    cursor = shop.execute(macros.sql("window_features", arguments))
    names = [column[0] for column in cursor.description]
    [row] = cursor.fetchall()
    written_of = dict(written)
    found = [[name, _as_written(value, written_of[name])] for name, value in zip(names[2:], row[2:], strict=True)]
    assert found == written


def test_the_example_in_the_description_of_rfm_scores(macros, shop):
    arguments, (header, *written) = _macro_description("rfm_scores")
    columns = ", ".join(f"{column} double" for column in header[:3])
    shop.execute(f"create temp table slv_orders_windows (customer_id int, feature_timestamp timestamp, {columns})")
    for place, line in enumerate(written):
        shop.execute(
            "insert into slv_orders_windows values (?, timestamp '2024-06-01', ?, ?, ?)",
            [place, *(None if cell == "null" else float(cell) for cell in line[:3])],
        )
    cursor = shop.execute(f"select * from ({macros.sql('rfm_scores', arguments)}) order by customer_id")
    assert [column[0] for column in cursor.description][2:] == header[3:]
    assert [[str(value) for value in row[2:]] for row in cursor.fetchall()] == [line[3:] for line in written]
