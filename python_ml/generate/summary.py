"""The text at the end of ``retention init``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from python_ml.generate.descriptions import texts
from python_ml.generate.figures import own_notices, preview_text, relation_uses, row_changes
from python_ml.names import comment_text
from python_ml.plan.schema import ProjectPlan, SourcePlan
from python_ml.profile.schema import Profile

MAX_LINES = 30  # of a list; the README has all of them
_HIDDEN = ("entity", "plausible_from", "plausible_to")


def summary(plan: ProjectPlan, profile: Profile, recommendations: Iterable[Any], folder: str) -> str:
    """The summary that is printed after a project was written.

    Parameters
    ----------
    plan : ProjectPlan
    profile : Profile
    recommendations : iterable
        Objects with a ``status``.
    folder : str
        Of the project.

    Returns
    -------
    str
    """
    lines = [f"Wrote the dbt project {plan.name} to {folder}", ""]
    for source in plan.sources:
        lines += _source(plan, source)
    relations = [
        f"{comment_text(r.child)} -> {comment_text(r.parent)}  {r.cardinality}, {r.evidence}"
        + (f"; brings {', '.join(r.brings)}" if r.brings else "")
        for r in relation_uses(plan, profile)
    ]
    lines += _section("Relations:", relations)
    shown = [s for s in plan.settings if s.name not in _HIDDEN]
    wide = max((len(s.name) for s in shown), default=0), max((len(s.value) for s in shown), default=0)
    wide = wide[0], min(wide[1], 30)
    definition = comment_text(texts(plan)["definition"])
    lines += _section(
        f"Settings ({definition}; flags, and vars in dbt_project.yml, change them):",
        [f"{s.name:<{wide[0]}}  {comment_text(s.value):<{wide[1]}}  {comment_text(s.reason)}" for s in shown],
    )
    lines += _section("Changes to rows and values:", [f"- {comment_text(t)}" for t in row_changes(plan, profile)])
    lines += _section("Requires review:", [f"- {comment_text(text)}" for text in plan.reviews])
    lines += _section("Notes on the data:", [f"- {text}" for text in own_notices(plan)])
    unused = [
        f"- {comment_text(name)}: {comment_text(reason)}{f' ({comment_text(flag)})' if flag else ''}"
        for name, reason, flag in plan.unused
    ]
    lines += _section("Not used:", unused)
    waiting = sum(r.status == "proposed" for r in recommendations)
    excluded = len(plan.model_input.exclude)
    features = f"{len(plan.features):,} features" + (f", of which models do not use {excluded:,}" if excluded else "")
    lines.append("")
    lines.append(" ".join(part for part in (f"{features}.", preview_text(plan, profile)) if part))
    if waiting:
        subject = "1 recommendation is" if waiting == 1 else f"{waiting:,} recommendations are"
        lines.append(f"{subject} not decided: see recommendations.yaml, then `retention generate`.")
    lines.append(f"Next: cd {folder} && retention run")
    return "\n".join(lines)


def _source(plan: ProjectPlan, source: SourcePlan) -> Iterator[str]:
    file = f"{comment_text(plan.paths[source.name])}, {source.counts.rows:,} rows"
    yield f"{source.name}  ({file}): {source.use}, {comment_text(source.reason)}"
    for part, reason in plan.evidence.get(source.name, ()) if source.use != "stored" else ():
        yield f"    {part:<9} {comment_text(reason)}"
    if source.measures:
        yield f"    {'values':<9} {', '.join(m.name for m in source.measures)}"
    if source.texts:
        yield f"    {'texts':<9} {', '.join(t.column for t in source.texts)}"
    if source.attributes:
        names = [a.column.name for a in source.attributes]
        more = f" and {len(names) - MAX_LINES:,} more" if len(names) > MAX_LINES else ""
        yield f"    {'features':<9} {', '.join(names[:MAX_LINES])}{more}"


def _section(title: str, lines: list[str]) -> list[str]:
    if not lines:
        return []
    more = [f"    … and {len(lines) - MAX_LINES:,} more: see README.md"] if len(lines) > MAX_LINES else []
    return ["", title, *(f"    {line.rstrip()}" for line in lines[:MAX_LINES]), *more]
