"""From examined files to a project specification: every decision is taken here, none while writing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from python_ml.errors import UserError
from python_ml.feature_columns import window_feature_columns
from python_ml.onboarding import detection, linking, links, rhythm, roles, traps, vocabulary
from python_ml.onboarding.examination import DEFAULT_FROM, DEFAULT_TO, plausible_bounds
from python_ml.onboarding.naming import identifier
from python_ml.onboarding.profiling import number_sql
from python_ml.onboarding.specification import ColumnSpec, Decision, ProjectSpec, SourceSpec
from python_ml.warehouse import quote

if TYPE_CHECKING:
    import duckdb

    from python_ml.feature_columns import FeatureColumn, Measure
    from python_ml.onboarding.detection import FileProfile
    from python_ml.onboarding.linking import Related
    from python_ml.onboarding.rhythm import Choices

MAX_MEASURES = 25


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

    Raises
    ------
    UserError
        When no file is a table of dated events of customers, or the history is too short.
    """
    left_out = links.excluded(profiles, exclude)
    related = linking.relate(connection, profiles, entity, relate, [name for name in left_out if "." in name])
    profiles = related.profiles
    chosen = _activity([p for p in profiles if p.name not in left_out], activity, related)
    entity = roles.entity_name(chosen.entity.column)
    sources, bounds = [], {}
    taken = {p.name for p in profiles}
    for profile in [chosen, *(p for p in profiles if p is not chosen)]:
        source = _source(connection, profile, chosen, entity, taken, related, left_out)
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
            mend="name other columns with --entity and --time",
        )
    when = rhythm.choose(measured, choices, str(chosen.file.path), partial(rhythm.count_at_risk, connection, relation))
    feature_sets = _feature_sets(sources, when.windows)
    raw_dir, paths = _locations(folder, sources)
    doubts = [d for p in profiles for f in (p.time, p.entity) if f is not None and (d := f.doubt)]
    outlook = rhythm.outlook(connection, relation, when)
    doubts += list(when.doubts) + _outlook_doubts(outlook) + list(related.doubts) + links.doubts(sources, related)
    decisions = (
        Decision("entity", entity, "; ".join((*chosen.entity.evidence, *related.evidence)), "--entity"),
        Decision(
            "churn_definition",
            "inactivity",
            f"churned = none of the {sources[0].events} in the label window",
            "--churn",
        ),
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
    return ProjectSpec(
        name=identifier(folder.name, "project"),
        entity=entity,
        raw_dir=raw_dir,
        paths=paths,
        sources=tuple(sources),
        windows=when.windows,
        decisions=decisions,
        feature_sets=feature_sets,
        evidence=evidence,
        traps=tuple(traps.find(connection, profiles, sources, related)),
        doubts=tuple(dict.fromkeys(doubts)),
        outlook=outlook,
        relations=related.relations,
        column_names=links.column_names(profiles, sources),
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
                mend="choose one of: " + (", ".join(p.name for p in events) or "none of the files is one"),
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
                mend="name it with --entity; possible are " + ", ".join(possible[:30]),
            )
        if profile.time and profile.entity:
            return UserError(
                f"This is not a table of events: nearly every `{profile.entity.column.raw_name}` has a single row.",
                where=path,
                mend="bring a file with several dated rows for a customer, such as orders, visits or usage; or name "
                "another column with --entity",
            )
    path = str(profiles[0].file.path)
    unreadable = detection.unreadable_time(profiles[0].columns, path)
    if unreadable is not None:
        return unreadable
    return UserError(
        "No file has a time column, so nothing can be said about who was active when.",
        where=", ".join(str(p.file.path) for p in profiles),
        mend="bring a file of dated events (orders, visits, usage), or name its time with --time; columns found: "
        + ", ".join(c.raw_name for c in profiles[0].columns[:30]),
    )


def _source(
    connection: duckdb.DuckDBPyConnection,
    profile: FileProfile,
    chosen: FileProfile,
    entity: str,
    taken: set[str],
    related: Related,
    left_out: set[str],
) -> SourceSpec:
    specs = links.column_specs(connection, profile, related, left_out)
    by_raw = {s.raw_name: i for i, s in enumerate(specs)}
    inherited = links.inherited(profile, related)
    use, reason = _use(profile, chosen, related, left_out)
    if profile.entity:
        place = by_raw[profile.entity.column.raw_name]
        specs[place] = replace(specs[place], name=entity)
    specs = _apart(specs)
    parts = {part: next((s for s in specs if s.role == part), None) for part in ("entity", "time", "available")}
    own = [s for s in specs if s.raw_name not in inherited]
    if use == "stored" and profile.name not in links.needed(related):
        # Nothing is made of its times, so none of them can be wrong.
        parts |= {"time": None, "available": None}
    source = SourceSpec(
        profile.name,
        profile.file,
        tuple(own),
        use,
        reason,
        **parts,
        key=links.key(own, profile, related),
        is_activity=profile is chosen,
        rows=profile.file.rows,
    )
    if source.own_time is not None:
        low, high = plausible_bounds(connection, profile)
        source = replace(source, plausible_from=low, plausible_to=high)
    if use == "stored":
        kept = ("entity", "time", "available", "key")
        source = replace(
            source,
            columns=tuple(replace(s, unused=s.unused or reason) if s.role not in kept else s for s in own),
        )
    elif use == "events":
        derived = roles.derived_money(profile, specs)
        sql_of = {s.name: _number_of(profile, s) for s in specs if s.role == "number"}
        reversal = roles.find_reversal(connection, profile, specs, sql_of, taken)
        chosen_measures = roles.measures(specs, derived)
        if reversal is not None:
            taken.add(reversal.name)
            reversal = replace(reversal, measures=roles.reversal_measures(specs, derived))
        source = replace(
            source, derived=(derived,) if derived else (), reversal=reversal, measures=chosen_measures[:MAX_MEASURES]
        )
        dropped = {m.name for m in chosen_measures[MAX_MEASURES:]}
        source = replace(
            source,
            columns=tuple(
                replace(s, unused=f"more than {MAX_MEASURES} columns could be features") if s.name in dropped else s
                for s in own
            ),
        )
    else:
        source = replace(
            source,
            columns=tuple(
                replace(
                    s, unused=s.unused or "an attribute without a time of its own: it may have been overwritten later"
                )
                if s.role not in ("entity", "time", "available", "key")
                else s
                for s in own
            ),
        )
    return traps.count_rows(connection, profile, source)


def _use(profile: FileProfile, chosen: FileProfile, related: Related, left_out: set[str]) -> tuple[str, str]:
    through = " and ".join(linking.way(profile.name, related.hops)[1:])
    if profile.name in left_out:
        return "stored", "it was left out with --exclude"
    if profile.entity is None:
        return "stored", (
            f"it has no column of customers such as {chosen.entity.column.raw_name}, and no key that leads to one"
        )
    if profile.time is None and through:
        return "stored", f"it has no time; it leads others through {through} to the customer"
    if profile.time is None:
        return "stored", "it has no time: an undated attribute may know the future"
    if profile is not chosen and profile.is_one_row_per_entity:
        return "tenure", "it has one row per customer: only its time is used, since attributes may be overwritten later"
    return "events", f"dated events of customers, through {through}" if through else "dated events of customers"


def _apart(specs: list[ColumnSpec]) -> list[ColumnSpec]:
    """Names that stay different after the entity and the time got theirs."""
    fixed = {s.name for s in specs if s.role == "entity"}
    used, result = set(fixed), []
    for spec in specs:
        name, number = spec.name, 1
        while spec.role != "entity" and name in used:
            number += 1
            name = f"{spec.name}_{number}"
        used.add(name)
        result.append(replace(spec, name=name))
    return result


def _number_of(profile: FileProfile, spec: ColumnSpec) -> str:
    column = next(c for c in profile.columns if c.raw_name == spec.raw_name)
    return f"try_cast({number_sql(quote(column.name), spec.style)} as double)"


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
            f"{_number_of(profile, s) if s.role == 'number' else quote(_view_name(profile, s))} as {quote(s.name)}"
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


def _view_name(profile: FileProfile, spec: ColumnSpec) -> str:
    return next(c.name for c in profile.columns if c.raw_name == spec.raw_name)


def _feature_sets(
    sources: list[SourceSpec], windows: tuple[str, ...]
) -> tuple[tuple[str, tuple[FeatureColumn, ...]], ...]:
    sets = []

    def add(name: str, measures: tuple[Measure, ...], events: str, risk: str) -> None:
        columns = window_feature_columns(name, measures, windows, events=events, leakage_risk=risk)
        sets.append((f"slv_{name}_windows", tuple(columns)))

    for source in sources:
        # Rows that record a leaving are known only once it has happened.
        risk = "medium" if links.is_outcome(source) else "low"
        if source.use == "events":
            add(source.name, source.measures, source.events, risk)
            if source.reversal is not None:
                add(source.reversal.name, source.reversal.measures, source.reversal.name.replace("_", " "), risk)
        elif source.use == "tenure":
            add(source.name, (), source.events, risk)
    return tuple(sets)


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
