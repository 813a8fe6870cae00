"""``gold.gld_data_quality``: how complete, how valid and how fresh the features were, period by period."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from python_ml.monitor.drift import FEATURE
from python_ml.warehouse import arrow_table, write_table

if TYPE_CHECKING:
    from python_ml.dbt import Feature
    from python_ml.monitor.counting import TableRows
    from python_ml.project import Project

TABLE = "gold.gld_data_quality"
COLUMNS = {"period": "timestamp", "measure": "string", "subject": "string", "value": "double"}
ALL = "all features"
SHARES = {
    "missing_share": "current_null_share",
    "out_of_range_share": "out_of_range_share",
    "new_category_share": "new_category_share",
}
FRESHNESS = "days_since_newest_event"
RECENCY = "days_since_last"  # the aggregate that says how old a customer's newest event is


def quality_rows(
    rows: TableRows, features: Sequence[Feature], drift: Sequence[dict[str, Any]], most: int
) -> list[dict[str, Any]]:
    """Measure periods.

    Parameters
    ----------
    rows : TableRows
        The features.
    features : sequence of Feature
        The registry.
    drift : sequence of dict
        Rows of ``gold.gld_feature_drift``, which have counted missing and unknown values already.
    most : int
        Newest feature times whose freshness is measured, those of the training among them.

    Returns
    -------
    list of dict
        ``period``, ``measure``, ``subject``, ``value``.
    """
    return [*_shares(drift), *_freshness(rows, features, most)]


def _shares(drift: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over features, and the features that are empty."""
    found = []
    periods: dict[datetime, list[dict[str, Any]]] = {}
    for row in drift:
        if row["kind"] == FEATURE:
            periods.setdefault(row["current_period"], []).append(row)
    for period, measured in sorted(periods.items()):
        figures = {"rows": measured[0]["current_rows"], "customers": measured[0]["current_customers"]}
        for name, column in SHARES.items():
            values = [row[column] for row in measured if row.get(column) is not None]
            if values:
                figures[name] = sum(values) / len(values)
        figures["empty_features"] = sum(row["current_null_share"] == 1 for row in measured)
        found += [
            {"period": period, "measure": name, "subject": ALL, "value": float(value)}
            for name, value in figures.items()
        ]
    return found


def _freshness(rows: TableRows, features: Sequence[Feature], most: int) -> list[dict[str, Any]]:
    """Days from the newest event of any customer, in each source, to the feature time."""
    known = {name for name, *_ in rows.selected(f"describe {rows.quoted(*rows.table.split('.'))}")}
    recent = {f.source: f.name for f in features if f.aggregate == RECENCY and f.source and f.name in known}
    times = rows.times()[-most:]
    if not recent or not times:
        return []
    least = ", ".join(f"min(cast({rows.quoted(name)} as double))" for name in recent.values())
    time = f"cast({rows.quoted(rows.time)} as timestamp)"
    counted = rows.selected(f"select {time} as period, {least} {rows.source} group by 1 order by 1")
    return [
        {"period": period, "measure": FRESHNESS, "subject": source, "value": value}
        for period, *values in counted
        if period in times
        for source, value in zip(recent, values, strict=True)
        if value is not None
    ]


def store_quality(project: Project, rows: Sequence[dict[str, Any]]) -> None:
    """Replace ``gold.gld_data_quality``."""
    write_table(project, TABLE, arrow_table(rows, COLUMNS))
