"""Row counts before anything is built: the generated models of bronze and linked rows, run on the raw files.

Only columns that decide about rows are read, by the very SQL that the project will run, so no rule is written twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from python_ml.generate.bronze import is_checked_for_nan, output_columns
from python_ml.generate.render import SPLIT_COLUMN, Renderer, checked_model, linked_rows_model
from python_ml.generate.text import names_in
from python_ml.ingest import rendered
from python_ml.plan.schema import EndDate, LabelTable, Link, ProjectPlan, SourcePlan
from python_ml.profile.schema import RowCounts
from python_ml.warehouse import quote

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class SourceRows:
    """The rows of a source as silver will see them.

    Attributes
    ----------
    counts : RowCounts
    relation : str
        Quoted table with a row per row that bronze keeps: entity (text), event_at, known_at (timestamps),
        is_reversal (boolean), reason (why it cannot be linked; null for a row that can be used), ended_at,
        ended_available_at, arrived_at (timestamps; the last by the row's own column, null without one).
    activity : str
        Quoted view of the rows that can be used and take nothing back: entity, event_at, known_at.
    """

    counts: RowCounts
    relation: str
    activity: str


def preview_sources(
    connection: duckdb.DuckDBPyConnection,
    plan: ProjectPlan,
    relations: Mapping[str, str],
    copies: Mapping[str, int] | None = None,
) -> dict[str, SourceRows]:
    """Count what becomes of the rows of every source.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    plan : ProjectPlan
    relations : dict of str to str
        Quoted relation with the raw rows by source name.
    copies : dict of str to int, optional
        Exact copies by source name; counted for sources without a key that keep them.

    Returns
    -------
    dict of str to SourceRows
    """
    slim = replace(plan, sources=tuple(_slim(plan, source) for source in plan.sources))
    renderer, variables = Renderer(slim), _variables(plan)
    made = {}
    for source in _parents_first(slim):
        name = source.name
        columns = [*output_columns(source), "quarantine_reason"]
        sql = _run(plan, checked_model(renderer, source), variables, relations)
        connection.execute(f"create or replace temp table {_checked(name)} as select {_list(columns)} from ({sql})")
        connection.execute(
            f"create or replace temp view {_bronze(name)} as select {_list(columns[:-1])} from {_checked(name)} "
            "where quarantine_reason is null"
        )
        rows, reason = _bronze(name), "cast(null as varchar)"
        if source.links:
            sql = _run(plan, linked_rows_model(renderer, slim, source), variables, relations)
            connection.execute(f"create or replace temp table {_linked(name)} as {sql}")
            connection.execute(
                f"create or replace temp view {_silver(name)} as select * from {_linked(name)} "
                "where quarantine_reason is null"
            )
            rows, reason = _linked(name), "quarantine_reason"
        relation, activity = quote(f"preview_rows_{name}"), quote(f"preview_activity_{name}")
        connection.execute(
            f"create or replace temp table {relation} as select {_slim_columns(source)}, {reason} as reason from {rows}"
        )
        newest = f" and {quote(source.superseded)} is null" if source.superseded else ""
        kept = _silver(name) if source.links else _bronze(name)
        connection.execute(
            f"create or replace temp view {activity} as select entity, event_at, known_at from "
            f"(select {_slim_columns(source)} from {kept} where true{newest}) "
            "where entity is not null and event_at is not null and not is_reversal"
        )
        keeps_copies = not source.key and not source.drops_copies
        counts = _counts(connection, source, relation, (copies or {}).get(name, 0) if keeps_copies else 0)
        made[name] = SourceRows(counts, relation, activity)
    return made


def preview_outcome(connection: duckdb.DuckDBPyConnection, plan: ProjectPlan) -> str:
    """Make the rows that decide the outcome, after :func:`preview_sources` on the same connection.

    Returns
    -------
    str
        Quoted relation. Of labels, before those of a customer and time are merged: entity, as_of, churned, known_at,
        part. Of coverage: entity, started_at, started_available_at, ended_at, ended_available_at. Empty for inactivity.
    """
    outcome, entity = plan.outcome, f"cast({quote(plan.entity)} as varchar) as entity"
    if isinstance(outcome, LabelTable):
        part = SPLIT_COLUMN if outcome.split else "cast(null as varchar)"
        template, last = "silver/slv_labels.sql", (
            f"select {entity}, feature_timestamp as as_of, churned, outcome_known_at as known_at, {part} as part "
            "from timed where feature_timestamp is not null"
        )  # fmt: skip
    elif isinstance(outcome, EndDate):
        columns = "started_at, started_available_at, ended_at, ended_available_at"
        template, last = "silver/slv_coverage.sql", f"select {entity}, {columns} from final"
    else:
        return ""
    text = Renderer(plan).text(template).replace("select * from final", last)
    relation = quote("preview_outcome")
    connection.execute(f"create or replace temp table {relation} as {_run(plan, text, _variables(plan), {})}")
    return relation


def preview_arrivals(plan: ProjectPlan, rows: Mapping[str, SourceRows]) -> list[str]:
    """Relations of the rows that decide the outcome and say when they arrived: entity, event_at, known_at.

    Made after :func:`preview_sources`. Only the row's own arrival counts, not that of a row through which it is linked.
    """
    outcome = plan.outcome
    if isinstance(outcome, LabelTable):
        return []
    parts = [outcome.source]
    if isinstance(outcome, EndDate):
        parts += [outcome.starts, outcome.activity, outcome.returns]
    made = []
    for source in (plan.source(name) for name in parts if name):
        pairs = [("event_at", "arrived_at")] if source.available else []
        if isinstance(outcome, EndDate) and source.ended:
            # of a row with versions, the first that has the end
            recorded = "ended_available_at" if source.ended_available else "arrived_at" if source.superseded else ""
            pairs += [("ended_at", recorded)] if recorded else []
        made += [
            f"(select entity, {happened} as event_at, greatest({happened}, {arrived}) as known_at from "
            f"{rows[source.name].relation} where reason is null and {happened} is not null and {arrived} is not null)"
            for happened, arrived in pairs
        ]
    return made


def _run(plan: ProjectPlan, text: str, variables: dict[str, Any], relations: Mapping[str, str]) -> str:
    """The SQL of a model, over scratch relations in place of models and sources."""

    def ref(model: str) -> str:
        name = model.removeprefix(f"brz_{plan.name}__")
        if name == model:
            return _silver(model.removeprefix("slv_"))
        return _checked(name.removesuffix("__checked")) if name.endswith("__checked") else _bronze(name)

    return rendered(text, ref=ref, source=lambda _, name: relations[name], variables=variables)


def _checked(name: str) -> str:
    return quote(f"preview_checked_{name}")


def _bronze(name: str) -> str:
    return quote(f"preview_bronze_{name}")


def _linked(name: str) -> str:
    return quote(f"preview_linked_{name}")


def _silver(name: str) -> str:
    return quote(f"preview_silver_{name}")


def _list(columns: list[str]) -> str:
    return ", ".join(quote(c) for c in columns)


def _variables(plan: ProjectPlan) -> dict[str, Any]:
    """What ``dbt_project.yml`` will hold, as far as these models read it."""
    variables: dict[str, Any] = {s.name: s.value for s in plan.settings}
    if isinstance(plan.outcome, LabelTable):
        variables["churned_values"] = list(plan.outcome.churned_values)
        variables["snapshot_at"] = plan.outcome.as_of.value
    return variables


def _slim_columns(source: SourcePlan) -> str:
    known = source.known
    if not known and source.available and source.time:
        known = f"case when {source.available} > {source.time} then {source.available} else {source.time} end"
    made = {
        "entity": f"cast({source.entity} as varchar)" if source.entity else "",
        "event_at": source.time,
        "known_at": known or source.time,
        "is_reversal": "is_reversal" if source.reversal else "false",
        "ended_at": source.ended,
        "ended_available_at": source.ended_available,
        "arrived_at": source.available,
    }
    types = {"entity": "varchar", "is_reversal": "boolean"}
    nulls = {name: f"cast(null as {types.get(name, 'timestamp')})" for name in made}
    return ", ".join(f"{sql or nulls[name]} as {name}" for name, sql in made.items())


def _counts(connection: duckdb.DuckDBPyConnection, source: SourcePlan, relation: str, copies: int) -> RowCounts:
    checked = connection.execute(
        f"select quarantine_reason, count(*) from {_checked(source.name)} group by 1 order by 2 desc, 1"
    ).fetchall()
    linked = connection.execute(
        f"select reason, count(*), min(event_at), max(event_at) from {relation} group by 1 order by 2 desc, 1"
    ).fetchall()
    first, last = next(((low, high) for reason, _, low, high in linked if reason is None), (None, None))
    return RowCounts(
        rows=sum(count for _, count in checked),
        quarantined={reason: count for reason, count in checked if reason is not None},
        unlinked={reason: count for reason, count, *_ in linked if reason is not None},
        copies=copies,
        first=first,
        last=last,
    )


def _parents_first(plan: ProjectPlan) -> Iterator[SourcePlan]:
    waiting, done = list(plan.sources), set()
    while waiting:
        source = next(s for s in waiting if all(link.parent in done or link.parent == s.name for link in s.links))
        waiting.remove(source)
        done.add(source.name)
        yield source


def _slim(plan: ProjectPlan, source: SourcePlan) -> SourcePlan:
    """The source with the columns that decide about rows, and nothing that is made of the others."""
    links = tuple(_without_values(link) for link in source.links if link.is_required)
    needed = {source.entity, source.time, source.available, source.ended, source.ended_available, *source.key}
    needed |= {name for link in links for name in link.columns}
    for child in plan.sources:
        for link in child.links:
            if link.parent == source.name and link.is_required:
                needed |= {*link.parent_columns, *(b.column for b in _without_values(link).brings)}
    outcome = plan.outcome
    if isinstance(outcome, LabelTable) and outcome.source == source.name:
        needed |= {outcome.label, outcome.known, outcome.split, outcome.as_of.column, outcome.as_of.duration}
    needed |= {c.name for c in source.columns if c.must_be_readable or c.is_bounded}
    needed |= {c.name for c in source.columns if is_checked_for_nan(source, c)}
    formulas = [source.reversal.condition] if source.reversal else []
    derived = tuple(d for d in source.derived if d.name in needed | names_in(*formulas))
    formulas += [d.expression for d in derived]
    keeps_all = source.drops_copies and not source.key
    needed |= names_in(*formulas)
    clocks = {c.reading.clock_column for c in source.columns if keeps_all or c.name in needed}
    columns = [c for c in source.columns if keeps_all or c.name in needed or c.raw_name in clocks]
    return replace(
        source,
        # Rows of a source that nothing decides about are counted all the same.
        columns=tuple(replace(c, imputation=None) for c in columns or source.columns[:1]),
        links=links,
        derived=derived,
        measures=(),
        texts=(),
        rhythm=(),
        windows=(),
        attributes=(),
    )


def _without_values(link: Link) -> Link:
    """A link with the customer and the time that it brings, without values that only enrich."""
    return replace(link, brings=tuple(b for b in link.brings if b.part != "value"))
