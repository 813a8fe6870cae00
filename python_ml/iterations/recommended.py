"""Recommendations of an iteration: what was applied or skipped, and what came of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from python_ml.iterations.schema import LoggedTraining

if TYPE_CHECKING:
    from pathlib import Path

    from python_ml.dbt import Feature
    from python_ml.plan.actions import Action
    from python_ml.project import Project

APPLIED, SKIPPED = "applied", "skipped"
EXCLUDE = "features.exclude"  # of a project without recommendations.yaml


@dataclass(frozen=True)
class Recommended:
    """A recommendation as an iteration has it.

    Attributes
    ----------
    id : str
        That of ``recommendations.yaml``, or ``features.exclude.<feature>``.
    status : str
        ``applied`` or ``skipped``.
    why : str
        Why it was recommended; of a skipped one, why it was skipped.
    features : tuple of str
        The features that it makes or changes, where that is known.
    outcome : mapping
        What came of it; empty until the iteration is finished.
    """

    id: str
    status: str
    why: str
    features: tuple[str, ...] = ()
    outcome: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def source_file(project: Project) -> Path | None:
    """The file that says what an iteration starts from: ``recommendations.yaml``, else ``retention.yml``."""
    from python_ml.plan.recommendations import FILE

    return next((p for name in (FILE, "retention.yml") if (p := project.root / name).is_file()), None)


def is_generated(project: Project) -> bool:
    """Whether the project has recommendations.yaml."""
    from python_ml.plan.recommendations import FILE

    return (project.root / FILE).is_file()


def recommended(project: Project, suggested: Mapping[str, str] | None = None) -> list[Recommended]:
    """The recommendations of a project as they are now.

    Parameters
    ----------
    project : Project
    suggested : mapping of str to str, optional
        Features that an earlier iteration suggested to exclude, with the reason; for projects without
        ``recommendations.yaml``.

    Raises
    ------
    UserError
        When a file cannot be read.
    """
    from python_ml.plan.recommendations import FILE, Recommendations

    if is_generated(project):
        features = _registry(project)
        return [_of_action(action, features) for action in Recommendations.read(project.root / FILE)]
    settings = project.settings.features
    taken = [
        Recommended(f"{EXCLUDE}.{name}", APPLIED, (suggested or {}).get(name, "by hand"), (name,))
        for name in settings.exclude
    ]
    left = [
        Recommended(f"{EXCLUDE}.{name}", SKIPPED, "not in features.exclude of retention.yml", (name,))
        for name in suggested or {}
        if not settings.excluded([name])
    ]
    return taken + left


def _registry(project: Project) -> list[Feature]:
    from python_ml.dbt import feature_registry

    return feature_registry(project) if project.manifest_path.is_file() else []


def _of_action(action: Action, features: Sequence[Feature]) -> Recommended:
    names = tuple(_features(action, features))
    if action.status == "applied":
        return Recommended(action.id, APPLIED, action.note or action.reason, names)
    undone = {
        "accepted": "accepted, but not generated",
        "rejected": f"rejected: {action.note}" if action.note else "rejected",
        "proposed": "not decided",
    }
    return Recommended(action.id, SKIPPED, undone[action.status], names)


def _features(action: Action, features: Sequence[Feature]) -> Iterable[str]:
    """The features that an action is about."""
    known = {feature.name: feature for feature in features if feature.role == "feature"}
    if named := action.parameters.get("features"):
        return [name for name in named if name in known]
    if action.action == "window":
        return [
            name
            for name, feature in known.items()
            if feature.source == action.table and feature.window == action.subject
        ]
    columns = {action.subject, f"{action.table}_{action.subject}"}
    return [
        name
        for name, feature in known.items()
        if name in columns or (feature.source == action.table and feature.measure in action.columns)
    ]


def with_outcomes(
    now: Sequence[Recommended],
    at_parent: Collection[str],
    importance: Mapping[str, float],
    metric: str,
    before: LoggedTraining | None,
    after: LoggedTraining | None,
) -> list[Recommended]:
    """Say what came of each applied recommendation.

    Parameters
    ----------
    now : sequence of Recommended
    at_parent : collection of str
        Ids that the parent iteration had applied.
    importance : mapping of str to float
        Share of the drivers' importance by feature, in the best model.
    metric : str
    before, after : LoggedTraining or None
        The best of the parent iteration, and of this one.

    Returns
    -------
    list of Recommended
        Applied ones have ``is_new``, and where there is something to say ``importance_share`` and, for new ones,
        ``metric``, ``before``, ``after``, ``better_by`` (positive: better), ``same_rows`` (whether both were measured
        on the same periods and numbers of rows) and ``changed_together``: how many were new at once, since their
        effects cannot be told apart.
    """
    from python_ml.model.evaluate import better

    new = {one.id for one in now if one.status == APPLIED} - set(at_parent)
    values = [None if training is None else training.value(metric) for training in (before, after)]
    judged: dict[str, Any] = {}
    if before is not None and after is not None and None not in values:
        judged = {
            "metric": metric,
            "before": values[0],
            "after": values[1],
            "better_by": better(metric, values[1], values[0]),
            "same_rows": before.rows == after.rows,
            "changed_together": len(new),
        }
    result = []
    for one in now:
        if one.status == APPLIED:
            outcome: dict[str, Any] = {"is_new": one.id in new}
            if importance and one.features:
                outcome["importance_share"] = sum(importance.get(name, 0.0) for name in one.features)
            one = replace(one, outcome={**outcome, **(judged if one.id in new else {})})
        result.append(one)
    return result
