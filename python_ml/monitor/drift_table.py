"""``gold.gld_feature_drift``: measures and verdicts as rows, as text, and as data for small multiples."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from python_ml.formatting import aligned, date, decimal
from python_ml.monitor.drift import DRIFT, FEATURE, OK, WARNING
from python_ml.warehouse import arrow_table, write_table

if TYPE_CHECKING:
    import pyarrow as pa

    from python_ml.project import Project

TABLE = "gold.gld_feature_drift"
COLUMNS = {
    "drift_key": "string",
    "kind": "string",
    "feature": "string",
    "model_version": "integer",
    "is_model_input": "boolean",
    "reference": "string",
    "reference_from": "timestamp",
    "reference_to": "timestamp",
    "current_period": "timestamp",
    "reference_rows": "bigint",
    "reference_customers": "bigint",
    "current_rows": "bigint",
    "current_customers": "bigint",
    "psi": "double",
    "psi_expected": "double",
    "psi_excess": "double",
    "usual_change": "double",
    "ks": "double",
    "ks_is_exact": "boolean",
    "jensen_shannon": "double",
    "chi_square": "double",
    "cramers_v": "double",
    "p_value": "double",
    "p_adjusted": "double",
    "reference_null_share": "double",
    "current_null_share": "double",
    "null_shift": "double",
    "reference_mean": "double",
    "current_mean": "double",
    "reference_std": "double",
    "mean_shift": "double",
    "quantile_10_shift": "double",
    "median_shift": "double",
    "quantile_90_shift": "double",
    "out_of_range_share": "double",
    "new_category_share": "double",
    "new_categories": "string",
    "vanished_category_share": "double",
    "vanished_categories": "string",
    "auc": "double",
    "auc_low": "double",
    "auc_high": "double",
    "drivers": "string",
    "effect": "double",
    "warning_from": "double",
    "drift_from": "double",
    "status": "string",
    "since": "timestamp",
    "accepted_because": "string",
    "distribution": "string",
}


def drift_table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """One row per kind, feature and period; what does not apply is null."""
    return arrow_table([{**row, "drift_key": _key(row)} for row in rows], COLUMNS)


def _key(row: dict[str, Any]) -> str:
    return json.dumps([row["kind"], row["feature"], row["current_period"].isoformat()], ensure_ascii=False)


def store_drift(project: Project, rows: Sequence[dict[str, Any]]) -> None:
    """Replace ``gold.gld_feature_drift``."""
    write_table(project, TABLE, drift_table(rows))


def newest_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of the newest period of each kind: outcomes are known later than features."""
    newest: dict[str, datetime] = {}
    for row in rows:
        newest[row["kind"]] = max(newest.get(row["kind"], row["current_period"]), row["current_period"])
    return [row for row in rows if row["current_period"] == newest[row["kind"]]]


def is_breach(row: dict[str, Any]) -> bool:
    """Whether a row is drift that is not accepted, of something that the champion uses."""
    return (
        row["status"] == DRIFT and not row["accepted_because"] and bool(row["is_model_input"] or row["kind"] != FEATURE)
    )


def summary(rows: Sequence[dict[str, Any]]) -> str:
    """The newest period of each kind as text: what moved, how far, since when."""
    newest = newest_rows(rows)
    if not newest:
        return "No period is later than the rows that the champion was fitted on: there is nothing to compare."
    features = [row for row in newest if row["kind"] == FEATURE]
    counts = Counter(row["status"] for row in features)
    newest_time = max(row["current_period"] for row in features or newest)
    lines = [
        f"{date(newest_time)}: of {len(features):,} features, {counts[DRIFT]:,} drifted, {counts[WARNING]:,} warnings"
    ]
    moved = [row for row in newest if row["status"] != OK]
    if moved:
        table = [
            (
                "status",
                "kind",
                "name",
                "used",
                "PSI",
                "mean shift",
                "null shift",
                "AUC",
                "compared with",
                "since",
                "accepted",
            )
        ]
        for row in sorted(moved, key=lambda row: (row["status"] != DRIFT, row["kind"], -row["effect"])):
            figures = [decimal(row.get(name), 2) for name in ("psi", "mean_shift", "null_shift", "auc")]
            used = "–" if row["kind"] != FEATURE else "yes" if row["is_model_input"] else "no"
            names = (row["status"], row["kind"], row["feature"], used)
            table.append((*names, *figures, row["reference"], date(row["since"]), row.get("accepted_because") or ""))
        lines += ["", aligned(table)]
    return "\n".join(lines)


@dataclass(frozen=True)
class Panel:
    """A feature for a page of small multiples.

    Attributes
    ----------
    kind, feature, status : str
        Status in the newest period.
    since : datetime or None
    is_model_input : bool
    periods : tuple of datetime
    psi : tuple of float or None
        By period, without what noise adds.
    effects : tuple of float
        By period: what the thresholds are for.
    statuses : tuple of str
        By period.
    warning_from, drift_from : float
    labels : tuple of str
        Of the bins: upper edges or categories, then the rest and missing values.
    reference, current : tuple of float
        Share of rows in each bin, in the newest period.
    """

    kind: str
    feature: str
    status: str
    since: datetime | None
    is_model_input: bool
    periods: tuple[datetime, ...]
    psi: tuple[float | None, ...]
    effects: tuple[float, ...]
    statuses: tuple[str, ...]
    warning_from: float
    drift_from: float
    labels: tuple[str, ...]
    reference: tuple[float, ...]
    current: tuple[float, ...]


def panels(rows: Sequence[dict[str, Any]]) -> list[Panel]:
    """Data of small multiples, those that moved most first.

    Parameters
    ----------
    rows : sequence of dict
        Rows of ``gold.gld_feature_drift``; those without a distribution are left out.
    """
    by_column: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row["current_period"]):
        if row.get("distribution"):
            by_column.setdefault((row["kind"], row["feature"]), []).append(row)
    found = []
    for (kind, feature), series in by_column.items():
        newest = series[-1]
        distribution = json.loads(newest["distribution"])
        edges = distribution.get("upper_edges")
        labels = _edge_labels(edges) if edges is not None else distribution["categories"]
        shares = [
            tuple(n / max(sum(counts), 1) for n in counts)
            for counts in (distribution["reference"], distribution["current"])
        ]
        found.append(
            Panel(
                kind,
                feature,
                newest["status"],
                newest["since"],
                bool(newest["is_model_input"]),
                tuple(row["current_period"] for row in series),
                tuple(row["psi_excess"] for row in series),
                tuple(row["effect"] for row in series),
                tuple(row["status"] for row in series),
                newest["warning_from"],
                newest["drift_from"],
                (*labels, "above" if edges is not None else "others", "missing"),
                *shares,
            )
        )
    rank = {DRIFT: 0, WARNING: 1, OK: 2}
    return sorted(found, key=lambda panel: (rank[panel.status], -(panel.psi[-1] or 0.0), panel.feature))


def _edge_labels(edges: Sequence[float]) -> list[str]:
    """The first bin ends just below the least value of the reference; without values, there are no edges."""
    return [f"< {math.nextafter(edges[0], math.inf):.4g}", *(f"≤ {edge:.4g}" for edge in edges[1:])] if edges else []
