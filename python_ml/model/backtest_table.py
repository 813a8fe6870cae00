"""Backtests as rows of the warehouse, as a file, and as text for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from python_ml.files import write_json
from python_ml.formatting import aligned, model_title
from python_ml.model.backtest import POOLED, ROLLING
from python_ml.model.evaluate import METRICS
from python_ml.model.results import interval

if TYPE_CHECKING:
    import pyarrow as pa

    from python_ml.project import Project

TABLE = "gold.gld_backtests"
FILE = "backtest.json"
COLUMNS = {
    "origin": "string",
    "feature_timestamp": "timestamp",
    "model": "string",
    "metric": "string",
    "value": "double",
    "low": "double",
    "high": "double",
    "champion_ahead": "double",
    "champion_ahead_low": "double",
    "champion_ahead_high": "double",
    "fitted_rows": "bigint",
    "predicted_rows": "bigint",
    "churned_rows": "bigint",
}


def backtest_table(found: dict[str, Any]) -> pa.Table:
    """One row per origin (and all of them pooled), model and metric.

    Parameters
    ----------
    found : dict
        Of :func:`python_ml.model.backtest.backtest`.
    """
    import pyarrow as pa

    kinds = {
        "string": pa.string(),
        "timestamp": pa.timestamp("us"),
        "double": pa.float64(),
        "bigint": pa.int64(),
    }
    rows = [row for origin in found["origins"] for row in _rows(origin)] + _rows({"name": POOLED, **found["pooled"]})
    schema = pa.schema({name: kinds[kind] for name, kind in COLUMNS.items()})
    return pa.Table.from_pylist(rows, schema=schema)


def _rows(origin: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    time = origin.get("feature_timestamp")
    for model, figures in origin["figures"].items():
        for metric in METRICS:
            if metric not in figures:
                continue
            ahead = origin["differences"].get(model, {}).get(metric, {})
            rows.append(
                {
                    "origin": origin["name"],
                    "feature_timestamp": None if time is None else pd.Timestamp(time).to_pydatetime(),
                    "model": model,
                    "metric": metric,
                    **figures[metric],
                    **{
                        f"champion_ahead{end}": ahead.get(name)
                        for end, name in (("", "value"), ("_low", "low"), ("_high", "high"))
                    },
                    "fitted_rows": origin.get("fitted_rows"),
                    "predicted_rows": figures["n"],
                    "churned_rows": round(figures["n"] * figures["base_rate"]),
                }
            )
    return rows


def store_backtest(project: Project, found: dict[str, Any]) -> None:
    """Write ``gold.gld_backtests`` and ``reports/backtest.json``."""
    from python_ml.warehouse import write_table

    write_table(project, TABLE, backtest_table(found))
    write_json(project.reports_dir / FILE, found)


def forget_backtest(project: Project) -> None:
    """Leave no figures of an earlier run behind."""
    from python_ml.warehouse import write_table

    write_table(project, TABLE, backtest_table({"origins": [], "pooled": {"figures": {}, "differences": {}}}))
    (project.reports_dir / FILE).unlink(missing_ok=True)


def summary(found: dict[str, Any]) -> str:
    """The outcome of ``retention backtest`` as text."""
    names = [*found["models"], *found["baselines"]]
    subject = names[0]
    rows = [("origin", "rows", *(model_title(name) for name in names))]
    for origin in [*found["origins"], {"name": POOLED, **found["pooled"]}]:
        figures = origin["figures"]
        name = origin["name"].removesuffix("T00:00:00")
        areas = (interval(figures.get(model, {}).get("roc_auc")) for model in names)
        rows.append((name, f"{figures[subject]['n']:,}", *areas))
    lines = [_heading(found), "", aligned(rows), ""]
    for other, ahead in found["pooled"]["differences"].items():
        above = sum(
            (origin["differences"].get(other, {}).get("roc_auc", {}).get("value") or 0) > 0
            for origin in found["origins"]
        )
        of = f"{len(found['origins'])} {'origins' if found['kind'] == ROLLING else 'repetitions'}"
        pair = f"{model_title(subject)} minus {model_title(other)}"
        lines.append(f"{pair}: ROC AUC {signed(ahead['roc_auc'])}, ahead at {above} of {of}")
    return "\n".join(lines)


def _heading(found: dict[str, Any]) -> str:
    kinds = " and ".join(model_title(kind) for kind in found["champion"])
    who = f"champion: {kinds}" + (" averaged" if len(found["champion"]) > 1 else "")
    if found["kind"] == ROLLING:
        kept_apart = f"purge {found['purge']}, embargo {found['embargo']}"
        return f"ROC AUC at {len(found['origins'])} feature times; {kept_apart}; {who}"
    return f"ROC AUC in {found['repeats']} x {found['folds']} cross-validation by customer; {who}"


def signed(entry: dict[str, float | None]) -> str:
    """``+0.012 [-0.001, 0.025]``; a dash where it is not defined."""
    if entry["value"] is None:
        return "-"
    text = f"{entry['value']:+.3f}"
    return text if entry["low"] is None else f"{text} [{entry['low']:+.3f}, {entry['high']:+.3f}]"
