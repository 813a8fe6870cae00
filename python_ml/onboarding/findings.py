"""What was found and decided, as a YAML file for machines, as tables for the README, and as text for the terminal."""

from __future__ import annotations

from typing import Any

from python_ml.names import comment_text
from python_ml.onboarding.dbt_yaml import OneLineList, dump
from python_ml.onboarding.relations import Relation
from python_ml.onboarding.scenario import DERIVED, PARTIAL, PRODUCTION
from python_ml.onboarding.specification import ProjectSpec, SourceSpec
from python_ml.onboarding.supplied import Supplied, label_time_words

VERSION = 1


def findings(spec: ProjectSpec) -> dict[str, Any]:
    """Everything found and decided, in a stable order.

    Returns
    -------
    dict
        version, project, files, relations, scenario, decisions, traps, doubts, outlook.
    """
    return {
        "version": VERSION,
        "project": spec.name,
        "files": [_file(spec, source) for source in spec.sources],
        "relations": [_relation(spec, relation) for relation in spec.relations.found],
        "scenario": _scenario(spec),
        "decisions": {
            d.name: {"value": d.value, "reason": d.reason, **({"given": True} if d.given else {})}
            for d in spec.decisions
        },
        **({"labels": _labels(spec.supplied)} if spec.supplied else {}),
        "traps": list(spec.traps),
        "doubts": list(spec.doubts),
        "outlook": {
            "customers_at_risk": int(spec.outlook["customers"]),
            "churn_rate": round(float(spec.outlook["churn_rate"]), 4),
        }
        if spec.outlook
        else {},
        "features": len(spec.features),
    }


def _scenario(spec: ProjectSpec) -> dict[str, str]:
    """What is known of time in a project with events; see :mod:`python_ml.onboarding.scenario` for the kinds."""
    supplied = spec.supplied
    if supplied is None:
        return {
            "kind": DERIVED,
            "reason": "events have times: feature times are a grid over them, and what happens after says the outcome",
            "feature_time": "a grid through the last day of the data",
            "label_time": "feature time + gap + horizon",
            "measured_by": "a later period",
        }
    known = supplied.horizon is not None or supplied.labels.known is not None
    told = "say as of when each customer is looked at, "
    told += "and when the outcome was known" if known else "but nothing says when the outcome was known"
    return {
        "kind": PRODUCTION if known else PARTIAL,
        "reason": f"the labels {told}",
        "feature_time": f"`{supplied.labels.time.raw_name}` of the labels",
        "label_time": label_time_words(supplied),
        "measured_by": {"by time": "a later period", "cross-validation": "cross-validation"}.get(
            spec.decided("split"), "the split as given"
        ),
    }


def _file(spec: ProjectSpec, source: SourceSpec) -> dict[str, Any]:
    found: dict[str, Any] = {
        "source": source.name,
        "path": spec.paths[source.name],
        "format": source.file.format,
        "options": {
            key: OneLineList(value) if isinstance(value, list) else value for key, value in source.file.options.items()
        },
        "use": source.use,
        "use_reason": source.use_reason,
        **({"granularity": source.granularity} if source.granularity else {}),
        "is_activity": source.is_activity,
        "rows": source.rows,
        "rows_kept": source.kept,
        "rows_quarantined": dict(sorted(source.quarantined.items())),
        "rows_copied": source.duplicates,
    }
    if source.first and source.last:
        found |= {"first_event": source.first.isoformat(" "), "last_event": source.last.isoformat(" ")}
    if source.reversal:
        found["reversals"] = {
            "rows": source.reversal.rows,
            "condition": source.reversal.condition,
            "features": f"{source.reversal.name}_*",
        }
    for part in ("entity", "time", "available"):
        evidence = spec.evidence.get(f"{source.name}.{part}")
        if evidence and (part != "entity" or source.entity):
            found[part] = {"column": evidence[0], "evidence": list(evidence[1:])}
    if source.key:
        found["key"] = source.key.raw_name
    keys = [key for key in spec.relations.keys if key.table == source.name]
    if keys:
        found["candidate_keys"] = [
            {
                "columns": [spec.column_names[key.table, name][0] for name in key.columns],
                "rows": key.rows,
                "different": key.distinct,
            }
            for key in keys
        ]
    if source.links:
        found["rows_unlinked"] = dict(sorted(source.unlinked.items()))
        found["linked_by"] = [
            {
                "column": link.column,
                "to": f"{link.parent}.{link.parent_column}",
                "brings": [name for _, name in link.brings],
            }
            for link in source.links
        ]
    found["columns"] = [_column(source, place) for place in range(len(source.columns))]
    return found


def _labels(supplied: Supplied) -> dict[str, Any]:
    """What the supplied labels say."""
    labels = supplied.labels
    found: dict[str, Any] = {
        "source": labels.source.name,
        "columns": {
            part: {"column": told[0], "evidence": list(told[1:])}
            for part, told in labels.evidence.items()
            if part != "split" or labels.split is not None
        },
        "values": dict(labels.target.counts),
        "churned_when": list(labels.target.leaving),
        "reason": labels.target.evidence,
        **({"flag": labels.target.flag} if labels.target.flag else {}),
        "rows": labels.rows,
        "labelled": labels.labelled,
        "churn_rate": round(labels.left / max(labels.labelled, 1), 4),
        "customers": labels.customers,
        "customers_without_events": labels.strangers,
        "first": labels.first.isoformat(" "),
        "last": labels.last.isoformat(" "),
    }
    if labels.split is not None:
        found["split"] = {part: list(values) for part, values in labels.split_values.items()}
    return found


def _relation(spec: ProjectSpec, relation: Relation) -> dict[str, Any]:
    return {
        "from": _raw_name(spec, relation.child, relation.child_column),
        "to": _raw_name(spec, relation.parent, relation.parent_column),
        "kind": relation.cardinality,
        **({"spelling": relation.spelling} if relation.spelling != "exact" else {}),
        **({"given": True} if relation.given else {}),
        "values": relation.values,
        "values_found": relation.values_found,
        "rows": relation.rows,
        "rows_found": relation.rows_found,
        "keys": relation.keys,
        "keys_used": relation.keys_used,
        "name_score": relation.name_score,
        "used_for": _used_for(spec, relation),
    }


def _used_for(spec: ProjectSpec, relation: Relation) -> str:
    """What a relation brings; empty when it is only told."""
    source = next(s for s in spec.sources if s.name == relation.child)
    names = [
        name
        for link in source.links
        if link.parent == relation.parent and link.column == spec.column_names[relation.child, relation.child_column][1]
        for _, name in link.brings
    ]
    return ", ".join(names)


def _raw_name(spec: ProjectSpec, source: str, column: str) -> str:
    """A column of a relation as it is called in its file."""
    return f"{source}.{spec.column_names[source, column][0]}"


def _column(source: SourceSpec, place: int) -> dict[str, Any]:
    column = source.columns[place]
    entry: dict[str, Any] = {"name": column.raw_name}
    if column.name != column.raw_name:
        entry["becomes"] = column.name
    entry |= {"role": column.role, "type": column.type, "stored_as": column.physical_type}
    entry |= {"missing": column.missing, "distinct": column.distinct}
    if column.formats:
        entry["formats"] = list(column.formats)
    if column.style != "plain":
        entry["written"] = column.style
    if column.unused and column.role != "key":
        entry["no_feature_because"] = column.unused
    return entry


def findings_yaml(spec: ProjectSpec) -> str:
    """The findings as YAML."""
    return dump(
        findings(spec),
        "What `retention init` found in the raw files, and what it decided. Counts of different values are "
        "approximate.",
    )


def summary(spec: ProjectSpec, folder: str) -> str:
    """What a person wants to know at the end of ``retention init``."""
    lines = [f"Wrote the dbt project {spec.name} to {folder}", ""]
    for source in spec.sources:
        lines.append(f"{source.name}  ({spec.paths[source.name]}, {source.rows:,} rows): {source.use_reason}")
        for part in ("entity", "time", "available"):
            evidence = spec.evidence.get(f"{source.name}.{part}")
            if evidence and (source.dated or source.use == "labels" or (source.links and part == "entity")):
                label = {"entity": "customer", "time": "time", "available": "known at"}[part]
                lines.append(f"    {label:<9} {comment_text(evidence[0])}: {'; '.join(evidence[1:])}")
        if source.measures:
            lines.append(f"    {'values':<9} {', '.join(m.name for m in source.measures)}")
    if spec.relations.found:
        lines += ["", "Relations:"]
        for r in spec.relations.found:
            used = _used_for(spec, r)
            lines.append(
                f"    {comment_text(_raw_name(spec, r.child, r.child_column))} -> "
                f"{comment_text(_raw_name(spec, r.parent, r.parent_column))}  {r.cardinality}, {'; '.join(r.evidence)}"
                f"{f'; brings {used}' if used else ''}"
            )
    lines += ["", "Decided (flags and vars in dbt_project.yml overrule):"]
    if spec.supplied is not None:
        lines.insert(-1, _supplied_words(spec.supplied))
    shown = [d for d in spec.decisions if d.name not in ("entity", "plausible_from", "plausible_to")]
    wide = max(len(d.value) for d in shown)
    lines += [f"    {d.name:<16} {d.value:<{wide}}  {d.reason}" for d in shown]
    if spec.traps:
        lines += ["", "Look out:"] + [f"    - {comment_text(trap)}" for trap in spec.traps]
    if spec.doubts:
        lines += ["", "Please check:"] + [f"    - {comment_text(doubt)}" for doubt in spec.doubts]
    lines.append("")
    if spec.outlook:
        lines.append(
            f"{len(spec.features)} features. At the last feature time with a known outcome, "
            f"{spec.outlook['customers']:,.0f} "
            f"customers are at risk and {spec.outlook['churn_rate']:.1%} of them leave."
        )
    if spec.supplied is not None:
        lines.append(f"{len(spec.features)} features.")
    lines.append(f"Next: cd {folder} && retention run")
    return "\n".join(lines)


def _supplied_words(supplied: Supplied) -> str:
    labels = supplied.labels
    return (
        f"\nLabels: {labels.labelled:,} outcomes of {labels.customers:,} customers, {labels.first:%Y-%m-%d} to "
        f"{labels.last:%Y-%m-%d}; {labels.left / max(labels.labelled, 1):.1%} left"
        + (f"; {labels.unlabelled:,} rows without an outcome" if labels.unlabelled else "")
    )


def markdown(text: str) -> str:
    """Text for a Markdown table: one line, nothing that would be read as markup."""
    escaped = comment_text(str(text))
    for character in "\\|<>*[]":
        escaped = escaped.replace(character, "\\" + character)
    return escaped


def code(text: str) -> str:
    """Text as inline code, whatever backticks it has."""
    plain = comment_text(str(text)).replace("|", "\\|")
    longest = max((len(run) for run in "".join(c if c == "`" else " " for c in plain).split()), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{fence}{space}{plain}{space}{fence}"


def readme_tables(spec: ProjectSpec) -> dict[str, Any]:
    """Rows of the README's tables, escaped for Markdown."""
    columns = []
    for source in spec.sources:
        used = {m.name: ", ".join(m.aggregates) for m in source.measures}
        for column in source.columns:
            if column.role == "entity":
                becomes = "key of the customer"
            elif column.role == "time":
                becomes = "as-of time of the label" if source.use == "labels" else "time of the event"
            elif column.role == "available":
                becomes = "time from which the row is known"
            elif column.unused:
                becomes = f"not used: {markdown(column.unused)}"
            else:
                becomes = used.get(column.name, "kept in bronze")
            columns.append((source.name, code(column.raw_name), code(column.name), becomes))
        columns += [
            (source.name, f"computed: {code(d.expression)}", code(d.name), used.get(d.name, "")) for d in source.derived
        ]
    return {
        "files": [
            (code(spec.paths[s.name]), code(s.name), f"{s.rows:,}", f"{s.kept:,}", markdown(s.use_reason))
            for s in spec.sources
        ],
        "columns": columns,
        "relations": [
            (
                code(_raw_name(spec, r.child, r.child_column)),
                code(_raw_name(spec, r.parent, r.parent_column)),
                r.cardinality,
                markdown("; ".join(r.evidence)),
                f"brings {code(used)}" if (used := _used_for(spec, r)) else "",
            )
            for r in spec.relations.found
        ],
        "decided": [
            (code(d.name), code(d.value), markdown(d.reason), code(d.flag) if d.flag else "") for d in spec.decisions
        ],
        "evidence": [
            (
                source,
                {"entity": "customer", "time": "time", "available": "known at"}[part],
                code(found[0]),
                markdown("; ".join(found[1:])),
            )
            for key, found in spec.evidence.items()
            for source, part in [key.rsplit(".", 1)]
        ],
        "traps": [markdown(t) for t in spec.traps],
        "doubts": [markdown(d) for d in spec.doubts],
    }
