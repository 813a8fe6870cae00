"""Both ends of a property test: dbt, which compiles the macros, and DuckDB, which runs what they compile to."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import pyarrow as pa
from dbt.cli.main import dbtRunner

FIXTURE = Path(__file__).resolve().parents[2] / "fixtures" / "temporal_project"

_TIME = pa.timestamp("us")
_PLACES = pa.decimal128(18, 4)

# Every table of a world; those that a test does not fill are empty.
SCHEMAS: dict[str, pa.Schema] = {
    "spine": pa.schema({"customer_id": pa.string(), "feature_timestamp": _TIME}),
    "events": pa.schema(
        {
            "customer_id": pa.string(),
            "event_at": _TIME,
            "available_at": _TIME,
            "amount": _PLACES,
            "items": pa.int32(),
            "score": pa.float64(),
            "category": pa.string(),
            "refunded": pa.bool_(),
            "channel": pa.string(),
            "version": pa.int64(),
            "superseded_at": _TIME,
        }
    ),
    "history": pa.schema(
        {
            "customer_id": pa.string(),
            "valid_from": _TIME,
            "valid_to": _TIME,
            "ended_available_at": _TIME,
            "available_at": _TIME,
            "change_id": pa.int64(),
            "plan": pa.string(),
            "price": _PLACES,
            "opted_in": pa.bool_(),
        }
    ),
    "subscriptions": pa.schema(
        {
            "customer_id": pa.string(),
            "started_at": _TIME,
            "started_available_at": _TIME,
            "ended_at": _TIME,
            "ended_available_at": _TIME,
        }
    ),
    "supplied": pa.schema({"customer_id": pa.string(), "as_of": _TIME, "label": pa.int32()}),
    "observation": pa.schema({"observation_start": _TIME, "observation_end": _TIME}),
}

World = dict[str, list[dict[str, Any]]]


class MacroCompiler:
    """Compiles macros of the package inside the fixture project, which dbt parses once for all compilers of a class.

    Parameters
    ----------
    work_folder : Path
        Where dbt may write its target and logs; the fixture itself stays as it is.
    """

    _parsed: ClassVar[dict[type, Any]] = {}

    def __init__(self, work_folder: Path) -> None:
        self._options = [
            "--project-dir", str(FIXTURE), "--profiles-dir", str(FIXTURE),
            "--target-path", str(work_folder / "target"), "--log-path", str(work_folder / "logs"),
            "--quiet",
        ]  # fmt: skip
        self._compiled: dict[str, str] = {}
        if type(self) not in self._parsed:
            parsed = dbtRunner().invoke(["parse", "--no-partial-parse", *self._options])
            if not parsed.success:
                raise AssertionError(f"the fixture project does not parse: {parsed.exception}")
            self._parsed[type(self)] = parsed.result
        self._manifest = self._parsed[type(self)]

    def sql(self, macro: str, arguments: dict[str, Any], variables: dict[str, Any] | None = None) -> str:
        """What `customer_retention.<macro>(**arguments)` compiles to."""
        key = json.dumps([macro, arguments, variables], sort_keys=True)
        if key not in self._compiled:
            success, messages = self._run(macro, arguments, variables)
            marked = [text for text in messages if text.startswith("<compiled>")]
            if not success or len(marked) != 1:
                raise AssertionError(f"{macro}({arguments}) does not compile:\n" + "\n".join(messages))
            self._compiled[key] = marked[0].removeprefix("<compiled>").removesuffix("</compiled>")
        return self._compiled[key]

    def error(self, macro: str, arguments: dict[str, Any], variables: dict[str, Any] | None = None) -> str:
        """What dbt says against these arguments; fails when it says nothing."""
        success, messages = self._run(macro, arguments, variables)
        if success:
            raise AssertionError(f"{macro}({arguments}) compiles, but was to be refused")
        return "\n".join(messages)

    def _run(self, macro: str, arguments: dict[str, Any], variables: dict[str, Any] | None) -> tuple[bool, list[str]]:
        messages: list[str] = []

        def listen(event: Any) -> None:
            if event.info.name == "JinjaLogInfo" or event.info.level == "error":
                messages.append(event.data.msg if event.info.name == "JinjaLogInfo" else event.info.msg)

        call = json.dumps({"name": macro, "arguments": arguments})
        command = ["run-operation", "compile_macro", "--args", call, *self._options]
        if variables:
            command += ["--vars", json.dumps(variables)]
        result = dbtRunner(manifest=self._manifest, callbacks=[listen]).invoke(command)
        if result.exception is not None:
            messages.append(str(result.exception))
        return result.success, messages


class Warehouse:
    """One DuckDB in memory, refilled with each world."""

    def __init__(self, threads: int = 1) -> None:
        self._connection = duckdb.connect(":memory:", config={"threads": threads})
        self._filled = set(SCHEMAS)
        self._statements: dict[str, duckdb.Statement] = {}

    def fill(self, world: World) -> None:
        """Replace every table by the world's rows, in their order; tables that it lacks become empty."""
        for name in sorted(self._filled | world.keys()):
            incoming = pa.Table.from_pylist(world.get(name, []), schema=SCHEMAS[name])
            self._connection.register("incoming", incoming)
            self._connection.execute(f"create or replace table {name} as from incoming")
            self._connection.unregister("incoming")
        self._filled = set(world)

    def execute(self, statement: str) -> None:
        """Run a statement for its effect."""
        self._connection.execute(statement)

    def rows(self, query: str) -> list[dict[str, Any]]:
        """Rows of a query, each a dict from column to value."""
        # Parsing takes a third of the time of so long a query over so few rows.
        if query not in self._statements:
            [self._statements[query]] = self._connection.extract_statements(query)
        cursor = self._connection.execute(self._statements[query])
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]

    def types(self, query: str) -> dict[str, str]:
        """Column types of a query's result."""
        described = self._connection.execute(f"describe {query}").fetchall()
        return {row[0]: row[1] for row in described}


def text(time: datetime) -> str:
    """A time as the macros read it from a variable."""
    return time.isoformat(sep=" ")
