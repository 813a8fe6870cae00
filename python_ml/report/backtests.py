"""Backtests: the champion's kind of model at several times of the past, compared with the baselines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from python_ml.formatting import Estimate, date, decimal, model_title, moment, number
from python_ml.report import charts
from python_ml.report.performance import METRICS, part
from python_ml.report.svg import COLOURS, draw

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

ROLLING = "rolling_origin"
_KINDS = {"champion": "subject", "plain_lightgbm": "oracle", "recency": "recency"}
_SPREAD = 0.5  # of the distance between origins, over which the marks of one origin are spread


def backtest_section(backtest: dict[str, Any] | None) -> dict[str, Any]:
    """Chart and tables of ``reports/backtest.json``, or the reason why there are none."""
    origins = [origin for origin in part(backtest, "origins") or [] if isinstance(origin, dict)]
    if not origins:
        return {"missing": "Backtests need reports/backtest.json, which retention backtest writes."}
    names = [str(name) for name in [*(part(backtest, "models") or []), *(part(backtest, "baselines") or [])]]
    rolling = part(backtest, "kind") == ROLLING
    rows = [_row(origin, names, rolling) for origin in origins]
    pooled = part(backtest, "pooled") or {}
    others = [name for name in names[1:] if part(pooled, "differences", name, "roc_auc")]
    kinds = [_KINDS.get(name, "random") for name in names]
    return {
        "missing": "",
        "rolling": rolling,
        "names": [model_title(name) for name in names],
        "subject": model_title(names[0]),
        "members": " and ".join(model_title(kind) for kind in part(backtest, "champion") or []),
        "purge": part(backtest, "purge"),
        "embargo": part(backtest, "embargo"),
        "folds": part(backtest, "folds"),
        "repeats": part(backtest, "repeats"),
        "legend": [
            charts.Line(model_title(name), kind, charts.Curve((), ())) for name, kind in zip(names, kinds, strict=True)
        ],
        "plots": charts.both_widths(_chart, rows, names, kinds),
        "rows": rows,
        "pooled": [
            (model_title(name), [metric.read(part(pooled, "figures", name)) for metric in METRICS]) for name in names
        ],
        "metrics": METRICS,
        "ahead": [
            {
                "name": model_title(name),
                "difference": Estimate.read(part(pooled, "differences", name, "roc_auc")),
                "origins": sum((number(part(o, "differences", name, "roc_auc", "value")) or 0) > 0 for o in origins),
            }
            for name in others
        ],
    }


def _row(origin: dict[str, Any], names: Sequence[str], rolling: bool) -> dict[str, Any]:
    rows, churned = number(origin.get("rows")), number(origin.get("churned"))
    first, last = (origin.get(f"{end}feature_timestamp") for end in ("", "last_"))
    times = date(first) if last in (None, first) else f"{date(first)} to {date(last)}"
    return {
        "name": times if rolling else str(origin.get("name")),
        "time": moment(origin.get("feature_timestamp")),
        "customers": origin.get("customers"),
        "fitted": origin.get("fitted_rows"),
        "churned": churned / rows if rows and churned is not None else None,
        "areas": [METRICS[0].read(part(origin, "figures", name)) for name in names],
    }


def _chart(rows: Sequence[dict[str, Any]], names: Sequence[str], kinds: Sequence[str], width: float) -> Markup:
    """Draw the ROC AUC of each model at each origin, with its interval."""

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot(title="ROC AUC", xlim=(-0.5, len(rows) - 0.5))
        step = _SPREAD / max(len(names), 1)
        for place, kind in reversed(list(enumerate(kinds))):
            shown = [(x, row["areas"][place]) for x, row in enumerate(rows) if row["areas"][place]]
            xs = [x + step * (place - (len(names) - 1) / 2) for x, _ in shown]
            colour = COLOURS[kind]
            for x, (_, area) in zip(xs, shown, strict=True):
                if area.has_interval:
                    axes.vlines(x, area.low, area.high, colour, linewidth=1.5)
            marks = {**charts.POINT, "color": colour, "markersize": 8 if place == 0 else 6}
            axes.plot(xs, [area.value for _, area in shown], linewidth=1.25 if place == 0 else 0, **marks)
        axes.axhline(0.5, **charts.GUIDE)
        every = max(1, round(len(rows) * 78 / (width - 66)))
        ticks = range(0, len(rows), every)
        axes.set_xticks(list(ticks), [_tick(rows[x]) for x in ticks])
        axes.yaxis.set_major_formatter(lambda value, _: decimal(value, 2))

    parts = [f"{row['name']}: {row['areas'][0].text}" for row in rows if row["areas"][0]]
    description = f"{model_title(names[0])}: {'; '.join(parts)}."
    return draw(f"backtest-{width:.0f}", "ROC AUC at each origin", description, (width, 300), paint, (46, 14, 28, 40))


def _tick(row: dict[str, Any]) -> str:
    time = row["time"]
    return row["name"].removeprefix("repetition ") if time is None else f"{time:%Y-%m-%d}"
