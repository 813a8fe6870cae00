"""What was found in a table with a target: for machines, for the README, and for the terminal."""

from __future__ import annotations

from typing import Any

from python_ml.names import comment_text
from python_ml.onboarding import findings as common
from python_ml.onboarding.dbt_yaml import dump
from python_ml.onboarding.findings import code, markdown
from python_ml.onboarding.static import StaticSpec


def findings(static: StaticSpec) -> dict[str, Any]:
    """Everything found and decided, in a stable order.

    Returns
    -------
    dict
        As for every project (see :func:`python_ml.onboarding.findings.findings`), with ``scenario``, ``target``,
        ``leakage`` and ``excluded_features``.
    """
    shared = common.findings(static.project)
    scenario, target = static.scenario, static.target
    told: dict[str, Any] = {"kind": scenario.kind, "reason": scenario.reason, "dates": list(scenario.dates)}
    if scenario.is_snapshot:
        told["feature_time"] = "a constant that stands for the snapshot; no date of the data"
        told["measured_by"] = "cross-validation"
    else:
        told["feature_time"] = scenario.seen.words
        told["label_time"] = scenario.decided or f"feature time + {scenario.horizon}"
        told["measured_by"] = "a later period"
    aim: dict[str, Any] = {
        "column": target.raw_name,
        "values": dict(target.counts),
        "missing": target.missing,
        "churned_when": list(target.leaving),
        "reason": target.evidence,
        "churn_rate": round(target.left / target.known, 4),
    }
    if target.flag:
        aim["flag"] = target.flag
    del shared["scenario"]
    place = list(shared).index("decisions")
    front = dict(list(shared.items())[:place])
    back = dict(list(shared.items())[place:])
    return {
        **front,
        "scenario": told,
        "target": aim,
        "leakage": [leak.to_dict() for leak in static.leaks],
        "excluded_features": dict(static.excluded),
        **back,
    }


def findings_yaml(static: StaticSpec) -> str:
    """The findings as YAML."""
    return dump(
        findings(static),
        "What `retention init` found in the raw files, and what it decided. Counts of different values are "
        "approximate.",
    )


def summary(static: StaticSpec, folder: str) -> str:
    """What a person wants to know at the end of ``retention init``."""
    spec, target, scenario = static.project, static.target, static.scenario
    lines = [f"Wrote the dbt project {spec.name} to {folder}", ""]
    lines.append(f"{static.table.name}  ({spec.paths[static.table.name]}, {static.table.rows:,} rows)")
    found = spec.evidence[f"{static.table.name}.entity"]
    counts = ", ".join(f"{comment_text(value)}: {n:,}" for value, n in target.counts.items())
    lines += [
        f"    {'customer':<9} {comment_text(found[0])}: {'; '.join(found[1:])}",
        f"    {'target':<9} {comment_text(target.raw_name)} ({counts}): {comment_text(target.meaning)}, "
        f"{target.left / target.known:.1%} of all; {comment_text(target.evidence)}",
        f"    {'scenario':<9} {scenario.kind}: {comment_text(scenario.reason)}",
    ]
    if scenario.is_snapshot:
        lines.append(
            f"    {'':<9} one snapshot: no window features; models are measured by cross-validation, not on a later "
            "period"
        )
    if target.flag:
        told = (target.doubt or "").removeprefix(f"{target.flag}: ")
        lines += ["", f"{target.flag.upper()}: {comment_text(told)}"]
    critical = static.critical
    if critical:
        lines += ["", f"LEAK: {_columns(critical)} may know the outcome, and models do without:"]
        lines += [f"    - {comment_text(leak.sentence)}" for leak in critical]
        lines.append("    To use one all the same: `features.exclude` and `leakage.accept` in retention.yml.")
    suspicious = [leak for leak in static.leaks if leak not in critical]
    if suspicious:
        lines += ["", "Look at these columns; models use them:"]
        lines += [f"    - {comment_text(leak.sentence)}" for leak in suspicious]
    if spec.traps:
        lines += ["", "Look out:"] + [f"    - {comment_text(trap)}" for trap in spec.traps]
    doubts = [doubt for doubt in spec.doubts if doubt != target.doubt or not target.flag]
    if doubts:
        lines += ["", "Please check:"] + [f"    - {comment_text(doubt)}" for doubt in doubts]
    lines += [
        "",
        f"{len(static.features) - len(static.excluded)} features of {len(static.features)} columns in gold.",
        f"Next: cd {folder} && retention run",
    ]
    return "\n".join(lines)


def _columns(leaks: list[Any]) -> str:
    return ", ".join(f"`{comment_text(leak.column)}`" for leak in leaks)


def readme(static: StaticSpec) -> dict[str, Any]:
    """What the README's template needs, escaped for Markdown."""
    target = static.target
    by_origin = {feature.origin: feature.name for feature in static.features}
    return {
        **common.readme_tables(static.project),
        "columns": _column_rows(static),
        "target": target,
        "target_is": f"{code(target.raw_name)} is {' or '.join(code(v) for v in target.leaving)}",
        "target_reason": markdown(target.evidence),
        "scenario_reason": _sentence(markdown(static.scenario.reason)),
        "leaks": [
            (
                code(leak.column),
                leak.severity,
                markdown("; ".join(leak.reasons)),
                _use(static, by_origin.get(leak.column)),
            )
            for leak in static.leaks
        ],
    }


def _use(static: StaticSpec, feature: str | None) -> str:
    if feature is None:
        return "no feature is made of it"
    return "leave it out" if feature in static.excluded else "use it"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _column_rows(static: StaticSpec) -> list[tuple[str, str, str, str]]:
    by_origin = {feature.origin: feature for feature in static.features}
    rows = []
    for source in static.project.sources:
        for column in source.columns:
            feature = by_origin.get(column.raw_name) if source is static.table else None
            if column.role == "entity" and source is static.table:
                becomes = "key of the customer"
            elif column.raw_name == static.target.raw_name and source is static.table:
                becomes = "the target"
            elif feature is not None:
                becomes = f"feature {code(feature.name)}"
                if feature.name in static.excluded:
                    becomes += ", which models leave out"
            else:
                becomes = f"not used: {markdown(column.unused)}" if column.unused else "kept in bronze"
            rows.append((source.name, code(column.raw_name), code(column.name), becomes))
    return rows
