"""The champion's drivers as a page: beeswarm, dependence, and drivers by segment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from python_ml.explanation.drivers import ALL
from python_ml.explanation.texts import used_components
from python_ml.files import write_text
from python_ml.input_columns import CATEGORY, FLAG
from python_ml.model.reasons import subject
from python_ml.model.risk_bands import BANDS
from python_ml.project import is_dateless
from python_ml.report import charts, page
from python_ml.report.customers import direction_kind
from python_ml.report.explanation_charts import Swarm, beeswarm_chart, dependence_chart
from python_ml.stats import some_rows

if TYPE_CHECKING:
    from pathlib import Path

    from markupsafe import Markup

    from python_ml.explanation.overview import ModelExplanation
    from python_ml.explanation.texts import UsedComponent
    from python_ml.model.card import CardColumn
    from python_ml.project import Project

PAGE = "explanation.html"
SWARMS, DEPENDENCES, SEGMENT_DRIVERS = 12, 6, 5
COMPONENTS = 8  # of texts, whose meaning is shown
DOTS = 400  # customers per feature that are drawn
LEAST_SEGMENT = 20  # customers of a segment that the page lists
LEVELS = np.array(["low", "middle", "high"])


def write_explanation(project: Project, explanation: ModelExplanation) -> Path:
    """Write ``reports/explanation.html``; where it is."""
    path = project.reports_dir / PAGE
    overall = explanation.drivers[explanation.drivers["segment_by"] == ALL]
    by_name = {column.name: column for column in explanation.columns}
    components = used_components(project, [by_name[name] for name in overall["feature"]])
    dated = not is_dateless(project.vars)
    write_text(path, render_explanation(explanation, project.name, components[:COMPONENTS], dated=dated))
    return path


def render_explanation(
    explanation: ModelExplanation,
    project_name: str,
    components: Sequence[UsedComponent] = (),
    *,
    dated: bool = True,
) -> str:
    """Render the page.

    Parameters
    ----------
    explanation : ModelExplanation
    project_name : str
    components : sequence of UsedComponent
        Components of texts among the drivers, the strongest first.
    dated : bool
        Whether feature times are times, or a constant.

    Returns
    -------
    str
        An HTML page that depends on the arguments alone. Every name and value is escaped.
    """
    drivers = explanation.drivers
    overall = drivers[drivers["segment_by"] == ALL]
    place = {column.name: position for position, column in enumerate(explanation.columns)}
    strongest = [place[name] for name in overall["feature"]]
    rows = some_rows(np.arange(explanation.customers), DOTS)
    swarms = [
        Swarm(
            explanation.columns[j].name,
            explanation.values[rows, j],
            _levels(explanation.columns[j], explanation.inputs.iloc[rows, j].to_numpy()),
        )
        for j in strongest[:SWARMS]
    ]
    values = {
        "explanation": explanation,
        "project_name": project_name,
        "dated": dated,
        "beeswarm": charts.both_widths(beeswarm_chart, swarms),
        "dependences": [_dependence(explanation, j, rows) for j in strongest[:DEPENDENCES]],
        "ways": _segments(explanation),
        "components": components,
        "total": len(explanation.columns),
        "shown": min(SWARMS, len(strongest)),
        "least": LEAST_SEGMENT,
    }
    return page.render("explanation", values)


def _levels(column: CardColumn, cells: np.ndarray) -> np.ndarray:
    """Whether each value is low, middle or high among the customers; ``none`` for categories and missing values."""
    if column.kind == CATEGORY:
        return np.full(len(cells), "none")
    numbers = cells.astype(float)
    known = numbers[~np.isnan(numbers)]
    if not len(known):
        return np.full(len(cells), "none")
    low, high = (0.5, 0.5) if column.kind == FLAG else np.quantile(known, [1 / 3, 2 / 3])
    level = np.where(numbers <= low, 0, np.where(numbers > high, 2, 1))
    if low == high and column.kind != FLAG:  # most have one value, which is neither
        level = np.where(numbers < low, 0, np.where(numbers > high, 2, 1))
    return np.where(np.isnan(numbers), "none", LEVELS[level])


def _dependence(explanation: ModelExplanation, j: int, rows: np.ndarray) -> dict[str, Any]:
    column = explanation.columns[j]
    cells, contribution = explanation.inputs.iloc[rows, j], explanation.values[rows, j]
    known = cells.notna().to_numpy()
    if column.kind == CATEGORY:
        labels = cells[known].value_counts().index[:6].tolist()
        position = cells.map({label: k for k, label in enumerate(labels)}).to_numpy(float)
        known = ~np.isnan(position)
        numbers, texts = position[known], [str(label) for label in labels]
    else:
        numbers = cells[known].to_numpy(float)
        texts = ["no", "yes"] if column.kind == FLAG else []
    plot: Markup = dependence_chart(
        f"dependence-{j}", f"Contribution of {column.name}", numbers, contribution[known], texts
    )
    gap = contribution[~known]
    return {
        "feature": column.name,
        "subject": subject(column),
        "plot": plot,
        "missing": len(gap) if column.kind != CATEGORY else 0,
        "missing_mean": float(gap.mean()) if len(gap) else 0.0,
    }


def _placed(segment: tuple[str, Any]) -> int:
    """Risk bands from the top; other segments stay as they are."""
    return BANDS.index(segment[0]) if segment[0] in BANDS else len(BANDS)


def _segments(explanation: ModelExplanation) -> list[dict[str, Any]]:
    """The strongest drivers of each segment, by the way in which customers are divided."""
    drivers = explanation.drivers
    longest = float(drivers["importance"].max()) or 1.0
    ways = []
    for way, of_way in drivers[drivers["segment_by"] != ALL].groupby("segment_by", sort=False):
        segments = [
            {
                "name": segment,
                "customers": int(rows["customers"].iloc[0]),
                "drivers": [
                    {
                        "feature": row.feature,
                        "importance": row.importance,
                        "length": max(row.importance / longest, 0.005),
                        "mean": row.mean_contribution,
                        "kind": direction_kind(row.direction),
                    }
                    for row in rows.head(SEGMENT_DRIVERS).itertuples()
                ],
            }
            for segment, rows in sorted(of_way.groupby("segment", sort=False), key=_placed)
            if rows["customers"].iloc[0] >= LEAST_SEGMENT
        ]
        small = of_way.loc[of_way["customers"] < LEAST_SEGMENT, "segment"].nunique()
        if segments:
            ways.append({"name": way, "segments": segments, "small": small})
    return ways
