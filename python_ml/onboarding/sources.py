"""What becomes of one examined file: the use of its rows, the part that each column plays, its measures."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from python_ml.names import free_name
from python_ml.onboarding import linking, links, roles, traps
from python_ml.onboarding.examination import plausible_bounds
from python_ml.onboarding.profiling import number_sql
from python_ml.onboarding.specification import ColumnSpec, SourceSpec
from python_ml.warehouse import quote

if TYPE_CHECKING:
    import duckdb

    from python_ml.onboarding.detection import FileProfile
    from python_ml.onboarding.linking import Related

MAX_MEASURES = 25


def source_of(
    connection: duckdb.DuckDBPyConnection,
    profile: FileProfile,
    chosen: FileProfile,
    entity: str,
    taken: set[str],
    related: Related,
    left_out: set[str],
) -> SourceSpec:
    """Decide what becomes of a file.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    profile : FileProfile
    chosen : FileProfile
        The file whose events say who is active.
    entity : str
        Name of the customer's key in every model.
    taken : set of str
        Names of sources; a name for rows that take something back is added.
    related : Related
    left_out : set of str
        Sources, and columns as ``source.column``, that the user left out.
    """
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
        granularity="" if profile.entity is None else "entity" if profile.is_one_row_per_entity else "event",
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
        sql_of = {s.name: number_of(profile, s) for s in specs if s.role == "number"}
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
    used = {s.name for s in specs if s.role == "entity"}
    return [s if s.role == "entity" else replace(s, name=free_name(s.name, used)) for s in specs]


def number_of(profile: FileProfile, spec: ColumnSpec) -> str:
    """SQL of a column as a number, over the profile's view."""
    column = next(c for c in profile.columns if c.raw_name == spec.raw_name)
    return f"try_cast({number_sql(quote(column.name), spec.style)} as double)"
