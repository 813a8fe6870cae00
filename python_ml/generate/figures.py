"""Figures and sentences of a plan that the README, ``findings.yaml`` and the terminal share."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import groupby

from python_ml.generate.text import listed, names_in
from python_ml.names import comment_text
from python_ml.plan.notices import quarantine_notices
from python_ml.plan.schema import ColumnPlan, Imputation, LabelTable, ProjectPlan, SourcePlan
from python_ml.profile.schema import Profile, Relation

QUARANTINED = "are quarantined:"  # of notices; the changes to rows list these with the others


@dataclass(frozen=True)
class RelationUse:
    """A relation between files, with raw names, and the columns that it brings."""

    child: str
    parent: str
    cardinality: str
    evidence: str
    brings: tuple[str, ...]
    relation: Relation


def relation_uses(plan: ProjectPlan, profile: Profile) -> list[RelationUse]:
    """All relations between files, those that are not used included."""
    made = []
    for r in profile.relations:
        child, parent = profile.table(r.child), profile.table(r.parent)
        raw = [child.column(c).raw_name for c in r.child_columns]
        raw_parent = [parent.column(c).raw_name for c in r.parent_columns]
        brings: list[str] = []
        for link in plan.source(r.child).links if any(s.name == r.child for s in plan.sources) else ():
            own = [_raw_name(plan.source(r.child), c) for c in link.columns]
            if link.parent == r.parent and own == raw:
                brings += [b.name for b in link.brings]
        evidence = f"{r.values_matched:,} of {r.values:,} values and {r.rows_matched:,} of {r.rows:,} rows match"
        evidence = f"given; {evidence}" if r.is_given else evidence
        ends = (f"{r.child}.{listed(raw, '+')}", f"{r.parent}.{listed(raw_parent, '+')}")
        made.append(RelationUse(*ends, r.cardinality, evidence, tuple(brings), r))
    return made


def _raw_name(source: SourcePlan, name: str) -> str:
    column = source.column(name)
    return column.raw_name if column else name


def row_changes(plan: ProjectPlan, profile: Profile | None) -> list[str]:
    """What becomes of rows and values that are not kept as they are, with the number of rows, one sentence each."""
    made = []
    for source in plan.sources:
        made += [f"{source.name}: {text}" for text in quarantine_notices(source.counts)]
        for column in source.columns:
            made += [f"{source.name}.{column.raw_name}: {text}" for text in _value_changes(source, column, profile)]
    return made


def _value_changes(source: SourcePlan, column: ColumnPlan, profile: Profile | None) -> list[str]:
    made = []
    if column.null_values:
        rows = _sentinel_rows(source, column, profile)
        counted = [
            f"{value!r} ({rows[value]:,} rows)" if value in rows else repr(value) for value in column.null_values
        ]
        made.append(f"{listed(counted)} is read as missing")
    if column.fold_case:
        made.append(f"texts become {column.fold_case} case")
    bounds = [
        f"below {column.low:g}" if column.low is not None else "",
        f"above {column.high:g}" if column.high is not None else "",
    ]
    if any(bounds) and not column.is_bounded:
        made.append(f"values {listed([b for b in bounds if b], 'or')} are set to the bound")
    if column.imputation is not None:
        made.append(f"{column.missing:,} missing values {imputation_text(column.imputation)}")
    return made


def _sentinel_rows(source: SourcePlan, column: ColumnPlan, profile: Profile | None) -> dict[str, int]:
    if profile is None or all(t.name != source.name for t in profile.tables):
        return {}
    measured = (c for c in profile.table(source.name).columns if c.column.raw_name == column.raw_name)
    return {s.value: s.rows for c in measured for s in c.sentinels}


def imputation_text(imputation: Imputation) -> str:
    """What takes the place of missing values, in prose."""
    if imputation.how == "forward_fill":
        return "become the customer's last known value"
    fitted = f", fitted on rows before {imputation.fitted_before}" if imputation.fitted_before else ""
    how = "" if imputation.how in ("zero", "constant") else f", the {imputation.how}"
    return f"become {imputation.value or '0'}{how}{fitted}"


def column_uses(plan: ProjectPlan, source: SourcePlan) -> list[str]:
    """What becomes of each column of a source, in prose and in its order."""
    outcome = plan.outcome
    label = outcome.label if isinstance(outcome, LabelTable) and outcome.source == source.name else ""
    uses: dict[str, list[str]] = defaultdict(list)
    for name, part in (
        (source.entity, "key of the customer"),
        (source.time, "time of the row"),
        (source.available, "time from which the row is known"),
        (source.ended, "end of the span"),
        (source.ended_available, "time from which the end is known"),
        (label, "the outcome"),
    ):
        uses[name] += [part]
    for name in source.key:
        uses[name] = uses[name] or ["key of the row"]
    for link in source.links:
        for name in link.columns:
            uses[name] += [f"points at {link.parent}"]
    for child in plan.sources:
        for brought in (b for link in child.links if link.parent == source.name for b in link.brings):
            uses[brought.column] += [f"brought to {child.name}"] if brought.part == "value" else []
    aggregates: dict[str, list[str]] = defaultdict(list)
    for measure in (*source.measures, *(source.reversal.measures if source.reversal else ())):
        for name in names_in(measure.expression):
            aggregates[name] += measure.aggregates
    for name, of_column in aggregates.items():
        uses[name] += [", ".join(dict.fromkeys(of_column))]
    for text in source.texts:
        uses[text.column] += [f"{text.components} components of the text"]
    for derived in source.derived:
        for name in names_in(derived.expression):
            uses[name] += [f"part of {derived.name}"]
    said = {text.column for text in source.texts}
    for attribute in (a for a in source.attributes if a.origin not in said):
        uses[attribute.origin] += [f"feature `{attribute.column.name}`"]
    return ["; ".join(uses[c.name]) if uses.get(c.name) else _without_use(c) for c in source.columns]


def _without_use(column: ColumnPlan) -> str:
    return f"not used: {column.unused}" if column.unused else "kept in bronze"


def feature_groups(plan: ProjectPlan) -> list[tuple[str, str, str, str, int]]:
    """Features by model and measure: model, measure, aggregates, windows, number."""
    rows = []
    for made in plan.feature_sets:
        metas = sorted((c.meta for c in made.columns), key=lambda m: m.get("measure") or "")
        for measure, of_measure in groupby(metas, key=lambda m: m.get("measure") or "rows"):
            of_measure = list(of_measure)
            both = [", ".join(dict.fromkeys(m[part] for m in of_measure)) for part in ("aggregate", "window")]
            rows.append((made.model, measure, *both, len(of_measure)))
    for one in plan.interactions:
        rows.append(("gld_customer_features", one.column.name, one.expression, "", 1))
    return rows


def preview_text(plan: ProjectPlan, profile: Profile | None) -> str:
    """Customers at risk, or labels, and how many of them churned, in one sentence; empty where nothing was measured."""
    if profile is None:
        return ""
    if isinstance(plan.outcome, LabelTable):
        labels = profile.labels
        if labels is None or not labels.labelled:
            return ""
        unlabelled = labels.rows - labels.labelled
        rate = f"{labels.churned / labels.labelled:.1%}"
        text = f"Of {labels.labelled:,} outcomes of {labels.customers:,} customers, {rate} churned"
        return f"{text}; {unlabelled:,} rows have no outcome." if unlabelled else f"{text}."
    if profile.preview is None:
        return ""
    return (
        f"At the last feature time with a known outcome, {profile.preview.customers:,} customers are at risk and "
        f"{profile.preview.churn_rate:.1%} of them churned."
    )


def own_notices(plan: ProjectPlan) -> list[str]:
    """Notices other than the counts of quarantined rows."""
    return [comment_text(text) for text in plan.notices if QUARANTINED not in text]
