"""From facts and recommendations to the plan: accepted actions, one after the other, over the base plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from python_ml.errors import UserError
from python_ml.plan.actions import FROM_FACTS, FROM_FEATURES, Action, NotApplicable
from python_ml.plan.actions.silver import DEFAULTS
from python_ml.plan.base import PlanFacts, base_plan
from python_ml.plan.notices import notices, unused
from python_ml.plan.schema import ColumnPlan, EndDate, LabelTable, ProjectPlan, Setting, SourcePlan

_NOT_READ = "it stays text: reading it as something else was not accepted"


@dataclass(frozen=True)
class Planned:
    """A plan, and what of the recommendations is in it.

    Attributes
    ----------
    plan : ProjectPlan
    applied : set of str
        Ids of the actions that are in the plan.
    not_applied : dict of str to str
        Why accepted actions are not in it, by id.
    """

    plan: ProjectPlan
    applied: set[str]
    not_applied: dict[str, str]


def propose(facts: PlanFacts) -> list[Action]:
    """Propose every action that the facts suggest."""
    made: dict[str, Action] = {}
    for kind in FROM_FACTS:
        for action in kind.propose(facts):
            made.setdefault(action.id, action)
    plan, _, _ = _fold(facts, "project", ".", {}, made.values())
    for kind in FROM_FEATURES:
        for action in kind.propose_for(facts, plan):
            # of two reasons to exclude a feature, the first has more weight
            made.setdefault(action.id, action)
    return list(made.values())


def fold_rows(facts: PlanFacts) -> ProjectPlan:
    """The plan up to which rows are kept, linked and used, before anything is known of activity."""
    actions = [action for kind in FROM_FACTS for action in kind.propose(facts)]
    plan = _fold(facts, "project", ".", {}, actions)[0]
    usual = (Setting(name, value, "as long as nothing is known of activity") for name, value in DEFAULTS.items())
    return replace(plan, settings=(*plan.settings, *(s for s in usual if not plan.setting(s.name))))


def make_plan(facts: PlanFacts, actions: Iterable[Action], name: str, raw_dir: str, paths: dict[str, str]) -> Planned:
    """The plan of a project.

    Parameters
    ----------
    facts : PlanFacts
    actions : iterable of Action
        Accepted ones are applied; others are not.
    name, raw_dir, paths : str, str, dict of str to str
        See :func:`python_ml.plan.base.base_plan`.

    Raises
    ------
    UserError
        When nothing is left to learn from.
    """
    plan, applied, not_applied = _fold(facts, name, raw_dir, paths, actions)
    if not plan.features:
        raise UserError(
            "No feature is left, so there is nothing to learn from.",
            where="recommendations.yaml",
            hint="accept at least one `window` or `attribute`",
        )
    if len(plan.model_input.exclude) >= len(plan.features):
        raise UserError(
            "Every column that could be a feature is excluded.",
            where=", ".join(sorted(plan.model_input.exclude)[:20]),
            hint="keep some column, or bring a file with more attributes of the customers",
        )
    plan = replace(plan, notices=notices(facts, plan), unused=unused(facts, plan))
    return Planned(plan, applied, not_applied)


def _fold(
    facts: PlanFacts, name: str, raw_dir: str, paths: dict[str, str], actions: Iterable[Action]
) -> tuple[ProjectPlan, set[str], dict[str, str]]:
    plan = base_plan(facts, name, raw_dir, paths)
    accepted = [action for action in actions if action.is_accepted]
    applied: set[str] = set()
    not_applied: dict[str, str] = {}
    for kind in (*FROM_FACTS, *FROM_FEATURES):
        waiting = [a for a in accepted if a.action == kind.action]
        while waiting:
            # a link may need that of its parent, whatever their order
            later = []
            for action in waiting:
                try:
                    plan = action.apply(plan)
                    applied.add(action.id)
                    not_applied.pop(action.id, None)
                except NotApplicable as reason:
                    not_applied[action.id] = str(reason)
                    later.append(action)
            if len(later) == len(waiting):
                break
            waiting = later
        if kind is FROM_FACTS[-1]:
            plan = settle(facts, plan)
    return plan, applied, not_applied


def settle(facts: PlanFacts, plan: ProjectPlan) -> ProjectPlan:
    """What follows from the actions taken together."""
    parents = {link.parent for s in plan.sources for link in s.links}
    sources = tuple(_settled(plan, source, parents) for source in plan.sources)
    plan = replace(plan, sources=sources)
    windows = next((s.windows for s in sources if s.windows), ())
    calendar = {s.name: s for s in facts.calendar.settings} if facts.calendar else {}
    settings = [s for s in plan.settings if s.name != "windows"]
    for name in ("label_time", "maturity_lag", "spine_anchor", "spine_start", "score_at", "active_window", "split"):
        if name in calendar and not plan.setting(name):
            settings.append(calendar[name])
    if windows:
        reason = calendar["windows"].reason if "windows" in calendar else "as accepted"
        settings.append(Setting("windows", ", ".join(windows), reason))
    return replace(plan, settings=tuple(settings))


def _settled(plan: ProjectPlan, source: SourcePlan, parents: set[str]) -> SourcePlan:
    columns = tuple(_settled_column(c) for c in source.columns)
    source = replace(source, columns=columns)
    if source.use == "stored" and source.name in parents and not source.time:
        values = any(
            b.part == "value" for s in plan.sources for k in s.links if k.parent == source.name for b in k.brings
        )
        if values:
            source = replace(source, use="lookup")
    known = ""
    if any(link.is_required for link in source.links):
        own = bool(source.own_time)
        dated = any(_is_dated(plan, link.parent) for link in source.links if link.is_required)
        if own or dated:
            taken = {c.name for c in source.values} | {source.entity, source.time}
            known = next(n for n in ("known_at", "link_known_at", "row_known_at", "all_known_at") if n not in taken)
    is_static = not source.own_time and (
        bool(source.links) or source.name in parents or source.use in ("attributes", "labels")
    )
    outcome = plan.outcome
    if isinstance(outcome, EndDate) and outcome.source == source.name:
        is_static = False
    if isinstance(outcome, LabelTable) and outcome.source == source.name and source.time:
        is_static = False
    return replace(source, known=known, is_static=is_static)


def _is_dated(plan: ProjectPlan, name: str) -> bool:
    source = plan.source(name)
    return bool(source.own_time) or any(_is_dated(plan, k.parent) for k in source.links if k.is_required)


def _settled_column(column: ColumnPlan) -> ColumnPlan:
    """A number or a time that nothing reads stays text, and no feature is made of it."""
    if (
        column.type == "text"
        and column.role in ("number", "boolean", "further_time")
        and (column.reading.physical_type == "VARCHAR")
    ):
        return replace(column, role="text", unused=column.unused or _NOT_READ)
    return column
