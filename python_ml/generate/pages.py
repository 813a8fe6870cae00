"""The pages of a project: the README and the steps of the pipeline."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from python_ml.durations import duration_text
from python_ml.generate import figures
from python_ml.generate.bronze import sql_type
from python_ml.generate.text import code, listed, markdown
from python_ml.plan.schema import ColumnPlan, LabelTable, ProjectPlan, SourcePlan
from python_ml.profile.schema import Profile

if TYPE_CHECKING:
    from python_ml.generate.render import Renderer

_STATUSES = {
    "applied": "Applied",
    "accepted": "Accepted, but not in the code (`retention generate` gives the reason)",
    "proposed": "Open: not decided",
    "rejected": "Rejected",
}


def readme(renderer: Renderer, plan: ProjectPlan, profile: Profile | None) -> str:
    """The text of ``README.md``."""
    gap = plan.setting("gap")
    columns = [
        (code(s.name), code(c.raw_name), code(c.name), markdown(use))
        for s in plan.sources
        for c, use in zip(s.columns, figures.column_uses(plan, s), strict=True)
    ]
    columns += [
        (code(s.name), f"computed: {code(d.expression)}", code(d.name), markdown(d.description))
        for s in plan.sources
        for d in s.derived
    ]
    relations = figures.relation_uses(plan, profile) if profile else []
    return renderer.text(
        "docs/README.md",
        gap_text=f" after a gap of {duration_text(gap)}" if gap not in ("", "0d") else "",
        preview=figures.preview_text(plan, profile),
        leaks=_leaks(plan, profile),
        files=[
            (code(plan.paths[s.name]), code(s.name), f"{s.counts.rows:,}", f"{s.counts.kept:,}", markdown(_use(s)))
            for s in plan.sources
        ],
        evidence=[
            (code(name), part, markdown(reason)) for name, parts in plan.evidence.items() for part, reason in parts
        ],
        changes=figures.row_changes(plan, profile),
        notices=figures.own_notices(plan),
        relations=[
            (code(r.child), code(r.parent), r.cardinality, r.evidence, ", ".join(code(b) for b in r.brings))
            for r in relations
        ],
        columns=columns,
        has_converted=any(s.conversion for s in plan.sources),
    )


def _use(source: SourcePlan) -> str:
    return f"{source.use}: {source.reason}" if source.reason else source.use


def _leaks(plan: ProjectPlan, profile: Profile | None) -> list[tuple[str, ...]]:
    """Columns that a leakage probe suspects: column, severity, reasons, and whether models use it."""
    if profile is None or not isinstance(plan.outcome, LabelTable):
        return []
    rows = []
    for outcome in profile.outcomes:
        if not outcome.is_given or all(s.name != outcome.table for s in plan.sources):
            continue
        source, table = plan.source(outcome.table), profile.table(outcome.table)
        for one in outcome.associations if outcome.table == plan.outcome.source else ():
            if not one.leak:
                continue
            raw = table.column(one.column).raw_name
            origins = {c.name for c in source.columns if c.raw_name == raw}
            features = {a.column.name for a in source.attributes if a.origin in origins}
            excluded = features and features <= set(plan.model_input.exclude)
            used = "no feature is made of it" if not features else "no" if excluded else "yes"
            rows.append((code(raw), one.leak, markdown("; ".join(one.leak_reasons)), used))
    return rows


def pipeline(renderer: Renderer, plan: ProjectPlan, recommendations: Iterable[Any]) -> str:
    """The text of ``docs/pipeline.md``."""
    entries = list(recommendations)
    by_status = [(title, [e for e in entries if e.status == status]) for status, title in _STATUSES.items()]
    return renderer.text(
        "docs/pipeline.md",
        steps=[_step(plan, source) for source in plan.sources],
        links=[
            (
                code(f"{s.name}.{listed(link.columns, '+')}"),
                code(f"{link.parent}.{listed(link.parent_columns, '+')}"),
                ", ".join(code(b.name) for b in link.brings),
            )
            for s in plan.linked
            for link in s.links
        ],
        groups=figures.feature_groups(plan),
        input=[
            (part, code(name), markdown(how))
            for part in ("exclude", "transform", "scale", "encode")
            for name, how in sorted(getattr(plan.model_input, part).items())
        ],
        statuses=[(title, some) for title, some in by_status if some],
    )


def _step(plan: ProjectPlan, source: SourcePlan) -> dict[str, Any]:
    return {
        "name": source.name,
        "file": plan.paths[source.name],
        "stem": f"brz_{plan.name}__{source.name}",
        "use": _use(source),
        "rows": f"{source.counts.rows:,}",
        "kept": f"{source.counts.rows - sum(source.counts.quarantined.values()):,}",
        "reasons": list(source.counts.quarantined.items()),
        "key": listed(source.key) if not source.superseded else "",
        "superseded": source.superseded,
        "columns": [_column(column) for column in source.columns],
        "derived": source.derived,
        "reversal": source.reversal,
    }


def _column(column: ColumnPlan) -> tuple[str, ...]:
    steps, reading = [], column.reading
    if reading.formats:
        steps.append(f"written {listed([code(f) for f in reading.formats], 'or')}")
    steps += [f"with the time of day in {code(reading.clock_column)}"] if reading.clock_column else []
    steps += [f"in the clock of {reading.utc_offset}"] if reading.utc_offset else []
    steps += [f"numbers are {reading.style.replace('_', ' ')}"] if reading.style != "plain" else []
    steps += ["a duration, in seconds"] if reading.type == "duration" else []
    if column.null_values:
        steps.append(f"{listed([code(v) for v in column.null_values])} is missing")
    steps += [f"{column.fold_case} case"] if column.fold_case else []
    bounds = [f"{w} {v:g}" for w, v in (("at least", column.low), ("at most", column.high)) if v is not None]
    steps += [listed(bounds) + (", else quarantined" if column.is_bounded else "")] if bounds else []
    steps += ["quarantined where it cannot be read"] if column.must_be_readable else []
    steps += [f"missing values {markdown(figures.imputation_text(column.imputation))}"] if column.imputation else []
    steps += ["dropped"] if column.is_dropped else []
    kind = sql_type(column) if column.type == "decimal" else column.type
    values = f"{column.missing:,} missing, about {column.distinct:,} different"
    return code(column.raw_name), code(column.name), kind, values, "; ".join(steps) or "as it is"
