"""Two iterations against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from python_ml.errors import UserError
from python_ml.formatting import METRIC_TITLES, aligned, decimal
from python_ml.iterations.log import RECOMMENDATIONS_FILE
from python_ml.iterations.recommended import APPLIED
from python_ml.iterations.schema import Iteration, best

if TYPE_CHECKING:
    from python_ml.iterations.log import IterationLog
    from python_ml.project import Project

PARTS = ("validation", "test")


def default_pair(log: IterationLog, metric: str) -> tuple[Iteration, Iteration]:
    """The newest iteration with a training, and its parent.

    Raises
    ------
    UserError
        When there is no such pair.
    """
    for after in reversed(log.iterations()):
        if after.parent is not None and best(log.trainings(after), metric) is not None:
            return log.find(after.parent), after
    raise UserError(
        "There are no two iterations with trainings to compare.",
        where=log.project.name,
        hint="`retention iterate next`, then `retention train`",
    )


def compared(project: Project, log: IterationLog, before: Iteration, after: Iteration, metric: str) -> dict[str, Any]:
    """What differs between the best trainings, the stages and the recommendations of two iterations.

    Returns
    -------
    dict
        ``metric``, ``before`` and ``after`` (iteration with ``best``), ``better_by`` by part (positive: the second is
        better; None where a value is missing), ``same_rows``, ``figures`` that changed, ``newly_applied`` and
        ``no_longer_applied`` recommendations with their outcome.
    """
    from python_ml.iterations.recommended import recommended
    from python_ml.model.evaluate import better

    winners = [best(log.trainings(one), metric) for one in (before, after)]
    better_by: dict[str, float | None] = dict.fromkeys(PARTS)
    for part in PARTS:
        values = [winner.metrics.get(f"{part}.{metric}") if winner else None for winner in winners]
        if None not in values:
            better_by[part] = better(metric, values[1], values[0])
    applied = []
    for one in (before, after):
        kept = log.read(one.run_id, RECOMMENDATIONS_FILE)
        if kept is None:  # it is not finished
            entries = [entry.to_dict() for entry in recommended(project)]
        else:
            entries = kept["recommendations"]
        applied.append({entry["id"]: entry for entry in entries if entry["status"] == APPLIED})
    names = sorted({*before.figures, *after.figures})
    figures = {name: [one.figures.get(name) for one in (before, after)] for name in names}
    return {
        "metric": metric,
        **{
            name: {**one.to_dict(), "best": winner.to_dict(metric) if winner else None}
            for name, one, winner in zip(("before", "after"), (before, after), winners, strict=True)
        },
        "better_by": better_by,
        "same_rows": None if None in winners else winners[0].rows == winners[1].rows,
        "figures": {name: values for name, values in figures.items() if values[0] != values[1]},
        "newly_applied": [entry for name, entry in applied[1].items() if name not in applied[0]],
        "no_longer_applied": [entry for name, entry in applied[0].items() if name not in applied[1]],
    }


def comparison_text(data: dict[str, Any]) -> str:
    """The comparison for the terminal."""
    both = (data["before"], data["after"])
    title, metric = METRIC_TITLES[data["metric"]], data["metric"]
    table = [("", *(f"iteration {one['number']}" for one in both), "better by")]
    table.append(("trigger", *(one["trigger"] for one in both), ""))
    versions = [f"version {one['best']['version']}" if one["best"] else "none" for one in both]
    table.append(("best training", *versions, ""))
    for part in PARTS:
        values = [decimal(one["best"][part]) if one["best"] else "–" for one in both]
        gain = data["better_by"][part]
        table.append((f"{part} {title}", *values, "–" if gain is None else f"{gain:+.3f}"))
    for name, values in data["figures"].items():
        table.append((name, *("–" if value is None else f"{value:,.0f}" for value in values), ""))
    lines = [aligned(table)]
    if data["same_rows"] is False:
        lines += ["", f"The rows behind {metric} differ, so a part of the difference may be theirs."]
    for heading, name in (("Newly applied", "newly_applied"), ("No longer applied", "no_longer_applied")):
        if data[name]:
            lines += ["", f"{heading}:", *(f"    {entry['id']}{_share(entry)}" for entry in data[name])]
    return "\n".join(lines)


def _share(entry: dict[str, Any]) -> str:
    share = entry["outcome"].get("importance_share")
    return "" if share is None else f"  ({share:.1%} of the importance)"
