"""``findings.yaml``: what was measured and decided, machine-readable, in a stable order."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from python_ml.generate.figures import column_uses, relation_uses
from python_ml.plan.schema import ColumnPlan, LabelTable, ProjectPlan, SourcePlan
from python_ml.profile.schema import Profile
from python_ml.yaml_io import OneLine, OneLineList, dump

VERSION = 2
_HEADER = """What `retention init` measured in the raw files, and what it decided; for programs. Counts of different
values are approximate."""


def findings_yaml(plan: ProjectPlan, profile: Profile | None) -> str:
    """The findings as YAML."""
    return dump(findings(plan, profile), _HEADER)


def findings(plan: ProjectPlan, profile: Profile | None) -> dict[str, Any]:
    """Everything measured and decided.

    Returns
    -------
    dict
        version, project, customer, outcome, files, relations, settings, notices, reviews, unused, leakage,
        excluded_features, preview, features.
    """
    settings = {
        s.name: {"value": s.value, "reason": s.reason, **({"given": True} if s.is_given else {})} for s in plan.settings
    }
    return {
        "version": VERSION,
        "project": plan.name,
        "customer": plan.entity,
        "outcome": _outcome(plan, profile),
        "files": [_file(plan, source) for source in plan.sources],
        "relations": [
            {
                "from": r.child,
                "to": r.parent,
                "kind": r.cardinality,
                "spelling": r.relation.spelling,
                **({"given": True} if r.relation.is_given else {}),
                "values": OneLine(all=r.relation.values, matched=r.relation.values_matched),
                "rows": OneLine(all=r.relation.rows, matched=r.relation.rows_matched),
                "keys": OneLine(all=r.relation.keys, used=r.relation.keys_used),
                "brings": OneLineList(r.brings),
            }
            for r in (relation_uses(plan, profile) if profile else [])
        ],
        "settings": settings,
        "notices": list(plan.notices),
        "reviews": list(plan.reviews),
        "unused": [
            {"name": name, "reason": reason, **({"flag": flag} if flag else {})} for name, reason, flag in plan.unused
        ],
        "leakage": _leakage(plan, profile),
        "excluded_features": dict(plan.model_input.exclude),
        "preview": _preview(profile),
        "features": len(plan.features),
    }


def _outcome(plan: ProjectPlan, profile: Profile | None) -> dict[str, Any]:
    outcome = plan.outcome
    made = {"definition": outcome.definition, **{k: v for k, v in asdict(outcome).items() if v}}
    if isinstance(outcome, LabelTable):
        made["churned_values"] = OneLineList(outcome.churned_values)
        made["as_of"] = OneLine({k: v for k, v in made["as_of"].items() if v})
        if "split_values" in made:
            made["split_values"] = {part: OneLineList(v) for part, v in outcome.split_values.items()}
        measured = next((o for o in profile.outcomes if o.is_given), None) if profile else None
        if measured is not None:
            made |= {"values": dict(measured.counts), "missing": measured.missing, "reason": measured.reason}
            made |= {"warning": measured.warning} if measured.warning else {}
        if profile and profile.labels and profile.labels.labelled:
            made["churn_rate"] = round(profile.labels.churned / profile.labels.labelled, 4)
    return made


def _file(plan: ProjectPlan, source: SourcePlan) -> dict[str, Any]:
    counts = source.counts
    made: dict[str, Any] = {"source": source.name, "path": plan.paths[source.name], "format": source.format}
    if source.conversion is not None:
        made["converted_from"] = source.conversion.format
    made |= {"use": source.use, "reason": source.reason, **({"flag": source.flag} if source.flag else {})}
    made |= {
        "rows": counts.rows,
        "rows_kept": counts.kept,
        "rows_quarantined": dict(sorted(counts.quarantined.items())),
    }
    made |= {"rows_unlinked": dict(sorted(counts.unlinked.items()))} if source.links else {}
    made["rows_copied"] = counts.copies
    if counts.first and counts.last:
        made |= {"first_event": counts.first.isoformat(" "), "last_event": counts.last.isoformat(" ")}
    if source.reversal is not None:
        reversal = source.reversal
        made["reversals"] = {"rows": reversal.rows, "condition": reversal.condition, "features": f"{reversal.name}_*"}
    made["evidence"] = [OneLine(part=part, reason=reason) for part, reason in plan.evidence.get(source.name, ())]
    made["key"] = OneLineList(source.key)
    if source.superseded:
        made["versions"] = source.superseded
    if source.links:
        made["linked_by"] = [
            {
                "columns": OneLineList(link.columns),
                "to": f"{link.parent}.{'+'.join(link.parent_columns)}",
                "brings": OneLineList(b.name for b in link.brings),
            }
            for link in source.links
        ]
    uses = column_uses(plan, source)
    made["columns"] = [_column(column, use) for column, use in zip(source.columns, uses, strict=True)]
    return made


def _column(column: ColumnPlan, use: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": column.raw_name}
    if column.name != column.raw_name:
        entry["becomes"] = column.name
    entry |= {"role": column.role, "type": column.type, "stored_as": column.reading.physical_type}
    entry |= {"missing": column.missing, "distinct": column.distinct}
    if column.formats:
        entry["formats"] = OneLineList(column.formats)
    if column.reading.style != "plain":
        entry["written"] = column.reading.style
    return entry | {"use": use}


def _leakage(plan: ProjectPlan, profile: Profile | None) -> list[dict[str, Any]]:
    made = []
    for outcome in profile.outcomes if profile and isinstance(plan.outcome, LabelTable) else ():
        table = profile.table(outcome.table)
        for one in outcome.associations if outcome.is_given else ():
            if one.leak:
                entry = {"column": table.column(one.column).raw_name, "severity": one.leak}
                entry |= {"reasons": list(one.leak_reasons), one.measure: round(one.value, 4)}
                made.append(entry)
    return made


def _preview(profile: Profile | None) -> dict[str, Any]:
    if profile is None or profile.preview is None:
        return {}
    preview = profile.preview
    return {
        "feature_timestamp": str(preview.feature_timestamp),
        "customers_at_risk": preview.customers,
        "churn_rate": round(preview.churn_rate, 4),
    }
