"""From examined files to a project specification: every decision is taken here, none while writing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from python_ml import vocabulary
from python_ml.errors import UserError
from python_ml.names import identifier
from python_ml.onboarding import detection, linking, links, rhythm, roles, supplied, traps
from python_ml.onboarding.examination import DEFAULT_FROM, DEFAULT_TO
from python_ml.onboarding.feature_sets import feature_sets
from python_ml.onboarding.sources import number_of, source_of
from python_ml.onboarding.specification import ColumnSpec, Decision, ProjectSpec, SourceSpec
from python_ml.warehouse import quote

if TYPE_CHECKING:
    import duckdb

    from python_ml.onboarding.detection import FileProfile
    from python_ml.onboarding.linking import Related
    from python_ml.onboarding.rhythm import Choices
    from python_ml.onboarding.supplied import LabelFile


def assemble(
    connection: duckdb.DuckDBPyConnection,
    profiles: list[FileProfile],
    folder: Path,
    choices: Choices,
    activity: str | None = None,
    *,
    entity: str | None = None,
    relate: Sequence[str] = (),
    exclude: Sequence[str] = (),
    labels: LabelFile | None = None,
) -> ProjectSpec:
    """Decide what becomes of every file, and when features are made.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    profiles : list of FileProfile
    folder : Path
        Where the project will stand; gives its name.
    choices : Choices
    activity : str, optional
        Source name of the events that say who is active; by default the file with most active customer days.
    entity : str, optional
        Column that the user named, as in :func:`python_ml.onboarding.examination.examine`; by default the one that
        most files reach.
    relate : sequence of str
        Relations that the user named, as ``child.column=parent.column``.
    exclude : sequence of str
        Sources, or columns as ``source.column``, of which no features are to be made and that lead nowhere.
    labels : LabelFile, optional
        Outcomes that the user supplies; without them, who has no activity for a while has left.

    Raises
    ------
    UserError
        When no file is a table of dated events of customers, the history is too short, or the labels do not fit.
    """
    left_out = links.excluded(profiles, exclude)
    related = linking.relate(connection, profiles, entity, relate, [name for name in left_out if "." in name])
    profiles = related.profiles
    chosen = _activity([p for p in profiles if p.name not in left_out], activity, related)
    entity = roles.entity_name(chosen.entity.column)
    sources, bounds = [], {}
    taken = {p.name for p in profiles}
    for profile in [chosen, *(p for p in profiles if p is not chosen)]:
        source = source_of(connection, profile, chosen, entity, taken, related, left_out)
        bounds[source.name] = (source.plausible_from, source.plausible_to)
        sources.append(source)
    sources = links.attach(sources, related)
    ours = bounds[chosen.name]
    if ours == (None, None):
        ours = (DEFAULT_FROM, DEFAULT_TO)
    sources = [
        replace(s, plausible_from=None, plausible_to=None) if bounds[s.name] == ours or s.own_time is None else s
        for s in sources
    ]
    relation = _activity_view(connection, chosen, sources[0], ours)
    measured = rhythm.measure_activity(connection, relation)
    if measured.customers == 0 or measured.first is None:
        raise UserError(
            "No row has both a customer and a time.",
            where=str(chosen.file.path),
            hint="name other columns with --entity and --time",
        )
    path = str(chosen.file.path)
    outlook: dict[str, float] = {}
    if labels is None:
        when = rhythm.choose(measured, choices, path, partial(rhythm.count_at_risk, connection, relation))
        outlook = rhythm.outlook(connection, relation, when)
        meaning = f"churned = none of the {sources[0].events} in the label window"
        found, churn = None, Decision("churn_definition", "inactivity", meaning, "--churn")
    else:
        found = supplied.read(connection, labels, relation, chosen, entity, measured, choices, sorted(taken))
        when, churn = found.times, found.definition
    told = traps.find(connection, profiles, sources, related)
    column_names = links.column_names(profiles, sources)
    if found is not None:
        sources.append(found.labels.source)
        told += found.traps
    sets = feature_sets(sources, when.windows)
    raw_dir, paths = _locations(folder, sources)
    doubts = [d for p in profiles for f in (p.time, p.entity) if f is not None and (d := f.doubt)]
    doubts += list(when.doubts) + list(related.doubts) + links.doubts(sources, related)
    if labels is None:
        doubts += _outlook_doubts(outlook)
    decisions = (
        Decision("entity", entity, "; ".join((*chosen.entity.evidence, *related.evidence)), "--entity"),
        churn,
        *when.decisions,
        Decision("plausible_from", ours[0].isoformat(), "times before it are typing errors"),
        Decision("plausible_to", ours[1].isoformat(), "times from then on are typing errors"),
    )
    evidence = {
        f"{p.name}.{part}": (f.column.raw_name, *f.evidence)
        for p in profiles
        for part, f in (("entity", p.entity), ("time", p.time), ("available", p.available))
        if f is not None
    }
    if found is not None:
        evidence |= found.evidence
    return ProjectSpec(
        name=identifier(folder.name, "project"),
        entity=entity,
        raw_dir=raw_dir,
        paths=paths,
        sources=tuple(sources),
        windows=when.windows,
        decisions=decisions,
        feature_sets=sets,
        evidence=evidence,
        traps=tuple(told),
        doubts=tuple(dict.fromkeys(doubts)),
        outlook=outlook,
        relations=related.relations,
        column_names=column_names,
        supplied=found,
    )


def _activity(profiles: list[FileProfile], wanted: str | None, related: Related) -> FileProfile:
    """The file whose events say who is active."""
    events = [p for p in profiles if p.entity and p.time and not p.is_one_row_per_entity]
    if wanted is not None:
        found = [p for p in events if identifier(wanted) == p.name or wanted == p.file.path.name]
        if not found:
            raise UserError(
                f"`{wanted}` is not a table of events.",
                where="--activity",
                hint="choose one of: " + (", ".join(p.name for p in events) or "none of the files is one"),
            )
        return found[0]
    if not events:
        raise _no_events(profiles)

    def weight(profile: FileProfile) -> tuple[bool, float, bool]:
        # A record of who left is an outcome, however many rows it has. Orders are as active as their lines.
        is_outcome = vocabulary.has_word(profile.name, vocabulary.OUTCOMES)
        days = profile.facts.distinct * (profile.facts.days_per_value or 0)
        return not is_outcome, round(days), profile.name not in related.hops

    return max(events, key=weight)


def _no_events(profiles: list[FileProfile]) -> UserError:
    """Explain why none of the files is a table of events, beginning with what is nearest to one."""
    for profile in profiles:
        path = str(profile.file.path)
        if profile.entity and not profile.time:
            unreadable = detection.unreadable_time(profile.columns, path)
            if unreadable is not None:
                return unreadable
    for profile in profiles:
        path = str(profile.file.path)
        if profile.time and not profile.entity:
            possible = detection.candidate_keys(profile.columns) or [c.raw_name for c in profile.columns]
            return UserError(
                "No column could be told to be the customer.",
                where=path,
                hint="name it with --entity; possible are " + ", ".join(possible[:30]),
            )
        if profile.time and profile.entity:
            return UserError(
                f"This is not a table of events: nearly every `{profile.entity.column.raw_name}` has a single row.",
                where=path,
                hint="bring a file with several dated rows for a customer, such as orders, visits or usage; or name "
                "another column with --entity",
            )
    path = str(profiles[0].file.path)
    unreadable = detection.unreadable_time(profiles[0].columns, path)
    if unreadable is not None:
        return unreadable
    return UserError(
        "No file has a time column, so nothing can be said about who was active when.",
        where=", ".join(str(p.file.path) for p in profiles),
        hint="bring a file of dated events (orders, visits, usage), or name its time with --time; columns found: "
        + ", ".join(c.raw_name for c in profiles[0].columns[:30]),
    )


def _activity_view(
    connection: duckdb.DuckDBPyConnection, profile: FileProfile, source: SourceSpec, bounds: tuple
) -> str:
    """A table of (entity, event_at) of what counts as activity."""
    when = detection.event_time_sql(profile.time.column)
    key = quote(profile.entity.column.name)
    counted = "true"
    if source.reversal is not None:
        # The condition is written over bronze names; give it those.
        columns = ", ".join(
            f"{number_of(profile, s) if s.role == 'number' else quote(_view_name(profile, s))} as {quote(s.name)}"
            for s in source.columns
        )
        reversing = f"(select {columns}, {key} as activity_entity, {when} as activity_at from {quote(profile.view)})"
        counted = f"not coalesce({source.reversal.condition}, false)"
    else:
        reversing = f"(select {key} as activity_entity, {when} as activity_at from {quote(profile.view)})"
    connection.execute(f"""
        create or replace table activity as
        select cast(activity_entity as varchar) as entity, activity_at as event_at
        from {reversing}
        where activity_entity is not null
            and activity_at >= timestamp '{bounds[0] or DEFAULT_FROM}'
            and activity_at < timestamp '{bounds[1] or DEFAULT_TO}'
            and {counted}
    """)
    return "activity"


def _locations(folder: Path, sources: list[SourceSpec]) -> tuple[str, dict[str, str]]:
    """The folder that holds all raw files, and their paths below it.

    Relative to the project when both lie close together, so that they can be moved as one; absolute otherwise.
    """
    parents = [str(s.file.path.parent) for s in sources]
    common = Path(os.path.commonpath(parents))
    relative = Path(os.path.relpath(common, folder.resolve())).as_posix()
    near = not Path(relative).is_absolute() and relative.split("/").count("..") <= 1
    paths = {s.name: s.file.path.relative_to(common).as_posix() for s in sources}
    return relative if near else common.as_posix(), paths


def _outlook_doubts(outlook: dict[str, float]) -> list[str]:
    if not outlook:
        return ["nobody is at risk at the last feature time with a known outcome: choose a longer --active-window"]
    doubts = []
    if outlook["customers"] < 200:
        doubts.append(f"only {outlook['customers']:.0f} customers are at risk: intervals will be wide")
    rate = outlook["churn_rate"]
    if rate < 0.02 or rate > 0.98:
        # Who is inactive for long enough counts as churned, so a longer horizon means fewer of them.
        length = "longer" if rate > 0.5 else "shorter"
        doubts.append(
            f"{rate:.1%} of the customers at risk count as churned: a {length} --horizon tells them apart better"
        )
    return doubts


def _view_name(profile: FileProfile, spec: ColumnSpec) -> str:
    return next(c.name for c in profile.columns if c.raw_name == spec.raw_name)
