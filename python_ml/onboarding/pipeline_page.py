"""The specification of a project's pipeline in Markdown: each step in order, with figures and decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from python_ml.onboarding.findings import code, markdown
from python_ml.onboarding.generation import _environment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from python_ml.onboarding.found import Found
    from python_ml.onboarding.specification import ColumnSpec, ProjectSpec, SourceSpec
    from python_ml.onboarding.static import StaticSpec
    from python_ml.recommendations.schema import Proposal


def pipeline_page(spec: ProjectSpec | StaticSpec, found: Found, proposals: Iterable[Proposal]) -> str:
    """Write ``docs/pipeline.md``.

    Parameters
    ----------
    spec : ProjectSpec or StaticSpec
        What is generated.
    found : Found
    proposals : iterable of Proposal
        With what became of each.

    Returns
    -------
    str
    """
    static = spec if found.static else None
    project = static.project if static else spec
    told = list(proposals)
    return (
        _environment()
        .get_template("pipeline.md")
        .render(
            spec=project,
            static=static,
            sources=[_source(project, source, static) for source in project.sources],
            decisions=[(code(d.name), code(d.value), markdown(d.reason)) for d in project.decisions],
            relations=_relations(project),
            groups=_groups(project),
            input=[
                (part, code(name), markdown(how))
                for part in ("exclude", "transform", "scale", "encode")
                for name, how in sorted(getattr(project.model_input, part).items())
            ],
            statuses=_statuses(told),
            traps=[markdown(trap) for trap in project.traps],
        )
        .strip("\n")
        + "\n"
    )


def _source(project: ProjectSpec, source: SourceSpec, static: StaticSpec | None) -> dict[str, Any]:
    return {
        "name": code(source.name),
        "file": code(project.paths[source.name]),
        "stem": f"brz_{project.name}__{source.name}",
        "use": markdown(source.use_reason),
        "rows": f"{source.rows:,}",
        "kept": f"{source.rows - sum(source.quarantined.values()):,}",
        "reasons": [(markdown(reason), f"{n:,}") for reason, n in source.quarantined.items()],
        "key": code(source.key.name) if source.key else "",
        "columns": [_column(column) for column in source.columns],
        "derived": [(code(d.name), code(d.expression)) for d in source.derived],
        "reversal": (f"{source.reversal.rows:,}", code(source.reversal.condition)) if source.reversal else None,
        "linked": source.links,
        "model": project.model(source),
    }


def _column(column: ColumnSpec) -> tuple[str, str, str, str, str]:
    steps = []
    if column.formats:
        steps.append(f"written {' or '.join(code(f) for f in column.formats)}")
    if column.style != "plain":
        steps.append(f"numbers with {column.style.replace('_', ' ')}")
    if column.null_values:
        steps.append(f"{', '.join(code(v) for v in column.null_values)} is null")
    if column.fold_case:
        steps.append(f"{column.fold_case} case")
    bounds = [
        f"{word} {value:g}" for word, value in (("at least", column.low), ("at most", column.high)) if value is not None
    ]
    if bounds:
        steps.append(" and ".join(bounds) + (", else quarantined" if column.is_bounded else ""))
    if column.must_be_readable:
        steps.append("quarantined where it cannot be read")
    if column.is_dropped:
        steps.append("dropped")
    kind = f"decimal(18, {column.scale})" if column.type == "decimal" else column.type
    return (
        code(column.raw_name),
        code(column.name),
        kind,
        f"{column.missing:,} missing, about {column.distinct:,} different",
        "; ".join(steps) or "as it is",
    )


def _relations(project: ProjectSpec) -> list[tuple[str, str, str]]:
    return [
        (
            code(f"{s.name}.{link.column}"),
            code(f"{link.parent}.{link.parent_column}"),
            ", ".join(n for _, n in link.brings),
        )
        for s in project.linked
        for link in s.links
    ]


def _groups(project: ProjectSpec) -> list[tuple[str, str, str, int]]:
    """Features by model and measure: aggregates, windows, number."""
    rows = []
    for model, columns in project.feature_sets:
        groups: dict[str, list] = {}
        for column in columns:
            groups.setdefault(column.meta.get("measure") or "rows", []).append(column.meta)
        for measure, metas in groups.items():
            aggregates = ", ".join(dict.fromkeys(m["aggregate"] for m in metas))
            windows = ", ".join(dict.fromkeys(m["window"] for m in metas))
            rows.append((code(model), code(measure), f"{aggregates} ({windows})", len(metas)))
    for one in project.interactions:
        rows.append((code("gld_customer_features"), code(one.column.name), code(one.expression), 1))
    return rows


def _statuses(proposals: list[Proposal]) -> list[tuple[str, list[tuple[str, str]]]]:
    words = {
        "applied": "Applied",
        "accepted": "Accepted, but not in the code (see what `retention generate` says)",
        "proposed": "Open: nobody has decided",
        "rejected": "Rejected",
    }
    told = []
    for status, title in words.items():
        some = [
            (code(p.id), markdown(p.reason) + (f" *{markdown(p.note)}*" if p.note else ""))
            for p in proposals
            if p.status == status
        ]
        if some:
            told.append((title, some))
    return told
