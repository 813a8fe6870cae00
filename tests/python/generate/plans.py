"""Small plans written by hand, over small CSV files, for the tests of what is generated from them."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

from python_ml.feature_columns import FeatureColumn, Measure
from python_ml.generate import create, package_files, render
from python_ml.ingest.schema import Reading
from python_ml.plan.schema import (
    AttributePlan,
    ColumnPlan,
    Inactivity,
    ProjectPlan,
    Setting,
    SourcePlan,
)

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
    """A plan whose raw files lie beside the project in ``data``."""
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


def written(folder: Path, plan: ProjectPlan, raw: dict[str, Path] | None = None) -> Path:
    """Write the project of a plan into a folder."""
    create(folder / plan.name, {**render(plan), **package_files()}, {}, raw)
    return folder / plan.name


ORDERS = source(
    "orders",
    [
        column("order_id", role="key", raw="Order no"),
        column("customer_id", role="entity", raw="Customer"),
        column("ordered_at", TIME, "time", raw="Ordered at"),
        column("loaded_at", TIME, "available"),
        column("channel"),
        column("amount", DECIMAL, must_be_readable=True),
        column("rating", INTEGER, low=0.0, high=5.0, is_bounded=True),
    ],
    use="events",
    entity="customer_id",
    time="ordered_at",
    available="loaded_at",
    key=("order_id",),
    nobody=("guest",),
    measures=(Measure("amount", "amount", ("sum", "mean"), type="decimal(18, 2)"),),
    rhythm=("active_days",),
    windows=("30d", "all_time"),
)
INACTIVITY = project(
    [replace(ORDERS, windows=("30d", "all_time"))],
    Inactivity("orders"),
    settings=settings(
        entity="customer_id", horizon="30d", gap="0d", active_window="60d", step="30d", spine_anchor="2024-05-01",
        spine_start="2024-02-01", windows="30d, all_time", plausible_from="2000-01-01", plausible_to="2100-01-01",
    ),
)  # fmt: skip


def order(number: int, customer: str, at: str, amount: str = "10.00", **more) -> dict:
    """A row of the orders."""
    row = {"Order no": f"O{number}", "Customer": customer, "Ordered at": at, "loaded_at": at, "channel": "web"}
    return {**row, "amount": amount, "rating": "3", **more}
