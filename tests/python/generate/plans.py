"""Small plans written by hand, over small CSV files, for the tests of what is generated from them."""

from __future__ import annotations

import csv
from pathlib import Path

from python_ml.feature_columns import FeatureColumn
from python_ml.generate.package import package_files
from python_ml.generate.render import render
from python_ml.generate.writing import create
from python_ml.ingest.schema import LINE_NUMBER, Reading
from python_ml.plan.schema import (
    AttributePlan,
    ColumnPlan,
    ProjectPlan,
    Setting,
    SourcePlan,
)
from python_ml.warehouse import quote

TEXT, INTEGER, TIME = Reading("text"), Reading("integer"), Reading("timestamp")
DECIMAL, BOOLEAN = Reading("decimal"), Reading("boolean")
_ROLES = {
    "text": "nominal",
    "integer": "number",
    "decimal": "number",
    "timestamp": "further_time",
    "boolean": "boolean",
}


def column(name: str, reading: Reading = TEXT, role: str = "", raw: str = "", **more) -> ColumnPlan:
    """A column of a source; its role follows from its type unless given."""
    return ColumnPlan(
        raw or name, name, role or _ROLES[reading.type], reading, more.pop("description", f"The {name}."), **more
    )


def source(name: str, columns: list[ColumnPlan], **more) -> SourcePlan:
    """A source that reads ``<name>.csv``."""
    options = {"delim": ",", "quote": '"', "escape": '"', "header": True, "names": [c.raw_name for c in columns]}
    return SourcePlan(name, f"{name}.csv", "csv", options, columns=tuple(columns), reason="for a test", **more)


def settings(**values: str) -> tuple[Setting, ...]:
    """Settings by name."""
    return tuple(Setting(name, value, "for a test") for name, value in values.items())


def project(sources: list[SourcePlan], outcome, name: str = "shop", **more) -> ProjectPlan:
    """A plan whose raw files lie next to the project in ``data``."""
    paths = {s.name: s.file for s in sources}
    return ProjectPlan(name, "customer_id", "../data", paths, tuple(sources), outcome, **more)


def attribute(name: str, expression: str = "", data_type: str = "string", origin: str = "") -> AttributePlan:
    """An attribute that is a column of bronze, or an expression."""
    meta = {"role": "feature", "source": "x", "measure": name, "aggregate": "attribute", "window": "snapshot"}
    described = FeatureColumn(name, data_type, f"The {name}", meta | {"leakage_risk": "low"})
    return AttributePlan(described, expression or name, origin or name)


def write_csv(folder: Path, name: str, rows: list[dict]) -> None:
    """Write rows as ``<name>.csv``; None is an empty cell."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_parquet(path: Path, names: list[str], rows: list[tuple]) -> Path:
    """Write rows as the parquet file of a converted source: texts, and whole numbers for numbers of lines."""
    import duckdb

    path.parent.mkdir(parents=True, exist_ok=True)
    types = ["bigint" if name == LINE_NUMBER else "varchar" for name in names]
    with duckdb.connect() as connection:
        columns = ", ".join(f"{quote(name)} {kind}" for name, kind in zip(names, types, strict=True))
        connection.execute(f"create table rows ({columns})")
        connection.executemany(f"insert into rows values ({', '.join('?' * len(names))})", rows)
        connection.execute(f"copy rows to '{path}' (format parquet)")
    return path


def written(folder: Path, plan: ProjectPlan, raw: dict[str, Path] | None = None) -> Path:
    """Write the project of a plan into a folder."""
    create(folder / plan.name, {**render(plan), **package_files()}, {}, raw)
    return folder / plan.name
