"""The base plan: every table in bronze, the customer, the outcome; everything else is an action on top."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from python_ml.ingest import vocabulary
from python_ml.names import identifier
from python_ml.plan.attributes import Attribute, attributes_of
from python_ml.plan.calendar import CalendarChoice
from python_ml.plan.columns import column_plans, customer_columns, entity_name
from python_ml.plan.outcome import choose_outcome
from python_ml.plan.roles import Roles, decide_roles, is_one_row_per_customer
from python_ml.plan.schema import (
    DerivedColumn,
    EndDate,
    LabelTable,
    Options,
    OutcomeChoice,
    ProjectPlan,
    Setting,
    SourcePlan,
)
from python_ml.profile.schema import ColumnProfile, Profile, RowCounts, TableProfile

DEFAULT_FROM, DEFAULT_TO = "1900-01-01", "2200-01-01"


@dataclass(frozen=True)
class PlanFacts:
    """Everything that actions are proposed from; a pure function of the profile and the options.

    Attributes
    ----------
    profile : Profile
    options : Options
    roles : Roles
    names : dict of str to dict of str to str
        Name in bronze by source and safe name.
    planned : dict of str to SourcePlan
        Every source as it would be with all of its columns read as planned, without links or features.
    choice : OutcomeChoice
    calendar : CalendarChoice or None
        None until activity has been measured.
    """

    profile: Profile
    options: Options
    roles: Roles
    names: dict[str, dict[str, str]]
    planned: dict[str, SourcePlan]
    choice: OutcomeChoice
    calendar: CalendarChoice | None = None

    def table(self, name: str) -> TableProfile:
        """The profile of a source."""
        return self.profile.table(name)

    @property
    def data_sources(self) -> list[SourcePlan]:
        """Sources that actions are about: all but a file of supplied labels."""
        return [source for source in self.planned.values() if source.name != self.options.labels]

    @property
    def event_sources(self) -> list[SourcePlan]:
        """Those of which window features can be made."""
        return [source for source in self.data_sources if source.has_events]

    @cached_property
    def _measured(self) -> dict[tuple[str, str], ColumnProfile]:
        names = self.names
        return {(t.name, names[t.name][c.column.name]): c for t in self.profile.tables for c in t.columns}

    def measured(self, source: str, column: str) -> ColumnProfile | None:
        """The profile of a column of bronze; None for one that is not in the file."""
        return self._measured.get((source, column))

    def brings_attributes(self, name: str) -> bool:
        """Whether a source has one row per customer whose columns can be attributes, or a history of them."""
        use = self.planned[name].use
        if use == "spans":
            return is_one_row_per_customer(self.table(name), self.roles.tables[name].entity)
        outcome = self.choice.outcome
        is_outcome = isinstance(outcome, LabelTable) and outcome.source == name and name != self.options.labels
        return use in ("attributes", "history") or is_outcome

    def attributes(self, name: str) -> tuple[tuple[Attribute, ...], dict[str, str]]:
        """Possible attributes of a source, and why other columns are none."""
        risks = {}
        for outcome in self.profile.outcomes:
            if outcome.table == name and outcome.is_given:
                leaks = {a.column: a.leak for a in outcome.associations if a.leak}
                risks = {self.names[name][c]: "high" if leak == "critical" else "medium" for c, leak in leaks.items()}
        return attributes_of(self.table(name), self.planned[name], self.names[name], self.choice.outcome, risks)


def gather_facts(profile: Profile, options: Options, calendar: CalendarChoice | None = None) -> PlanFacts:
    """Decide the part of each table, what its columns are, and what churn means.

    Raises
    ------
    UserError
        When the files cannot make a project; see :func:`~python_ml.plan.roles.decide_roles` and
        :func:`~python_ml.plan.outcome.choose_outcome`.
    """
    roles = decide_roles(profile, options)
    planned, names = {}, {}
    for table in profile.tables:
        columns, names[table.name] = column_plans(table, roles)
        planned[table.name] = _source(profile, table, roles, columns, names[table.name])
    choice = choose_outcome(profile, roles, options, names)
    planned = _with_outcome(profile, planned, names, choice)
    return PlanFacts(profile, options, roles, names, planned, choice, calendar)


def _source(profile: Profile, table: TableProfile, roles: Roles, columns, names: dict[str, str]) -> SourcePlan:
    role, raw = roles.tables[table.name], table.table
    parts = [names[name] for name in customer_columns(roles, table.name)]
    joined = ()
    if len(parts) > 1:
        expression = f"{{{{ customer_retention.joined_key({parts}) }}}}"
        text = f"Key of the customer: {' and '.join(parts)}."
        joined = (DerivedColumn(entity_name(roles.customer.raw_name), expression, text, type="text"),)
    time = table.time if role.time and table.time is not None and role.time == table.time.column else None
    entity = joined[0].name if joined else names.get(role.entity, "")
    low = high = None
    if role.time and (span := table.profile_of(role.time).span) is not None:
        low, high = span.low, span.high
    # Nothing is made of the times of a table that is not used, so none of them can be wrong.
    is_parent = any(step.relation.parent == table.name for other in roles.tables.values() for step in other.steps)
    is_used = role.use != "stored" or bool(role.steps) or is_parent
    return SourcePlan(
        name=table.name,
        file=raw.path.name,
        format=raw.format,
        options=raw.options,
        conversion=raw.conversion,
        has_rejected=bool(raw.rejected),
        has_row_number=raw.has_row_number,
        use=role.use,
        reason=role.reason,
        flag=role.flag,
        columns=columns,
        entity=entity,
        derived=joined,
        time=names.get(role.time, "") if is_used else "",
        available=names.get(time.available, "") if time is not None and is_used else "",
        ended=names.get(time.ended, "") if time is not None else "",
        ended_available=names.get(time.ended_available, "") if time is not None else "",
        plausible_from=low,
        plausible_to=high,
        counts=profile.rows.get(table.name, RowCounts(raw.rows)),
    )


def _with_outcome(
    profile: Profile,
    planned: dict[str, SourcePlan],
    names: dict[str, dict[str, str]],
    choice: OutcomeChoice,
) -> dict[str, SourcePlan]:
    """Sources with the part that the outcome gives them."""
    outcome = choice.outcome
    planned = dict(planned)
    if isinstance(outcome, EndDate):
        source = planned[outcome.source]
        time = profile.table(outcome.source).time
        own = names[outcome.source]
        if time is not None and not outcome.is_departures:
            planned[outcome.source] = replace(
                source,
                use="spans",
                reason="start and end of each customer's coverage",
                entity=source.entity,
                time=own[time.column],
                available=own.get(time.available, ""),
                ended=own.get(time.ended, ""),
                ended_available=own.get(time.ended_available, ""),
            )
    for name, source in planned.items():
        is_labels = isinstance(outcome, LabelTable) and outcome.source == name
        if is_labels:
            planned[name] = _label_source(source, outcome)
        elif source.use == "labels":
            # the outcome is dated by a column, so the table only brings attributes
            planned[name] = replace(source, use="attributes", reason="one row per customer: attributes")
        if vocabulary.has_word(name, vocabulary.OUTCOMES) and source.use == "events":
            planned[name] = replace(planned[name], leakage_risk="medium")
    return planned


def _label_source(source: SourcePlan, outcome: LabelTable) -> SourcePlan:
    """The source of labels: label and split are text, since their values are compared."""
    columns = []
    for column in source.columns:
        if column.name in (outcome.label, outcome.split):
            is_label = column.name == outcome.label
            fractional = column.reading.physical_type in ("DOUBLE", "FLOAT", "VARCHAR") or (
                column.reading.physical_type.startswith("DECIMAL")
            )
            reading = replace(column.reading, type="text", strip_point_zero=fractional)
            column = replace(
                column,
                role="label",
                reading=reading,
                description=f"The outcome: {outcome.meaning}." if is_label else "Part of the split.",
                unused="it is the outcome" if is_label else "it gives the part of the split",
            )
        elif column.name == outcome.known:
            column = replace(
                column, unused="it is the time of the outcome", description="When the outcome was known (UTC)."
            )
        columns.append(column)
    time = outcome.as_of.column if outcome.as_of.kind == "column" and source.reason == "supplied labels" else ""
    return replace(source, columns=tuple(columns), time=time, use="labels")


def base_plan(facts: PlanFacts, name: str, raw_dir: str, paths: dict[str, str]) -> ProjectPlan:
    """The plan before any action: all columns are text, nothing is linked, no feature is made.

    Parameters
    ----------
    facts : PlanFacts
    name : str
        dbt name of the project.
    raw_dir, paths : str, dict of str to str
        Where the raw files lie; see :func:`locations`.
    """
    first = _first(facts)
    order = sorted(facts.planned.values(), key=lambda s: s.name != first)
    sources = tuple(_bare(facts, source) for source in order)
    outcome = facts.choice.outcome
    settings = [
        Setting(
            "entity",
            entity_name(facts.roles.customer.raw_name),
            "; ".join(facts.roles.customer.evidence),
            "--entity",
            bool(facts.options.entity),
        ),
        Setting(
            "churn_definition", outcome.definition, facts.choice.reason, facts.choice.flag, bool(facts.options.churn)
        ),
    ]
    if isinstance(outcome, LabelTable):
        settings.append(Setting("scenario", outcome.scenario, outcome.scenario_reason))
        if outcome.as_of.kind == "constant":
            settings.append(Setting("snapshot_at", outcome.as_of.value, outcome.as_of.text, "--as-of"))
    if isinstance(outcome, EndDate):
        settings.append(Setting("grace", outcome.grace, "how long after an end coverage may continue without churn"))
    lead = facts.planned[first]
    low, high = lead.plausible_from or DEFAULT_FROM, lead.plausible_to or DEFAULT_TO
    settings.append(Setting("plausible_from", str(low), "earlier times are typing errors"))
    settings.append(Setting("plausible_to", str(high), "times from then on are typing errors"))
    sources = tuple(
        replace(s, plausible_from=None, plausible_to=None)
        if (str(s.plausible_from or DEFAULT_FROM), str(s.plausible_to or DEFAULT_TO)) == (str(low), str(high))
        else s
        for s in sources
    )
    return ProjectPlan(
        name=name,
        entity=entity_name(facts.roles.customer.raw_name),
        raw_dir=raw_dir,
        paths=paths,
        sources=sources,
        outcome=outcome,
        settings=tuple(settings),
        evidence=_evidence(facts),
        reviews=(*facts.roles.reviews, *facts.choice.reviews, *(facts.calendar.reviews if facts.calendar else ())),
    )


def _first(facts: PlanFacts) -> str:
    """The source that stands first: who is active, whose coverage counts, or who has the labels."""
    outcome = facts.choice.outcome
    return facts.roles.activity or outcome.source


def _bare(facts: PlanFacts, source: SourcePlan) -> SourcePlan:
    """A source before its actions: numbers and further times are text until an action reads them."""
    columns = []
    for column in source.columns:
        # no action is about a file of labels: it is read as planned
        if reads_as(column) and source.name != facts.options.labels:
            reading = (
                replace(column.reading, formats=())
                if column.role in ("time", "available")
                else (replace(column.reading, type="text"))
            )
            column = replace(column, reading=reading)
        columns.append(column)
    use = source.use
    offered: tuple = ()
    if facts.brings_attributes(source.name):
        offered = tuple(a.plan for a in facts.attributes(source.name)[0])
    # labels keep their part; everything else is used once an action says so
    return replace(source, columns=tuple(columns), use="labels" if use == "labels" else "stored", offered=offered)


def reads_as(column) -> bool:
    """Whether somebody could want the column's type or format otherwise."""
    if column.reading.physical_type != "VARCHAR" or column.type == "text" or column.role in ("entity", "key", "label"):
        return False
    return bool(column.formats) if column.role in ("time", "available", "changed") else True


def _evidence(facts: PlanFacts) -> dict[str, tuple[tuple[str, str], ...]]:
    """Why the customer and the times were chosen, by source."""
    made = {}
    for table in facts.profile.tables:
        role = facts.roles.tables[table.name]
        parts = []
        if role.entity:
            raw = facts.roles.customer.raw_name if role.entity.endswith("_") else table.column(role.entity).raw_name
            parts.append(("customer", f"{raw}: {'; '.join(facts.roles.customer.evidence)}"))
        for step in role.steps:
            if step.parts:
                what = " and ".join({"entity": "customer", "time": "time"}[p] for p in step.parts)
                keys = "+".join(table.column(c).raw_name for c in step.relation.child_columns)
                parts.append((what, f"from {step.relation.parent}, which `{keys}` points at"))
        if role.time and table.time is not None:
            parts.append(("time", f"{table.column(role.time).raw_name}: {table.time.reason}"))
            if table.time.available:
                name = table.column(table.time.available).raw_name
                parts.append(("known at", f"{name}: {table.time.available_reason}"))
        if parts:
            made[table.name] = tuple(parts)
    return made


def project_name(folder: Path) -> str:
    """dbt name of a project in a folder."""
    return identifier(folder.resolve().name, "project")


def locations(profile: Profile, folder: Path) -> tuple[str, dict[str, str]]:
    """The folder that holds all raw files, and their paths below it.

    Relative to the project when both lie close together, so that they can be moved as one; absolute otherwise.
    """
    parents = [str(t.table.path.parent) for t in profile.tables]
    common = Path(os.path.commonpath(parents))
    relative = Path(os.path.relpath(common, folder.resolve())).as_posix()
    near = not Path(relative).is_absolute() and relative.split("/").count("..") <= 1
    paths = {t.name: t.table.path.relative_to(common).as_posix() for t in profile.tables}
    return relative if near else common.as_posix(), paths
