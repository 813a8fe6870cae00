"""The verdicts as one self-contained HTML page that loads nothing and runs nothing.

Great Expectations' own data docs fetch scripts and styles from the net, so this page is ours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from python_ml.files import write_text
from python_ml.quality.checks import ABOUT, SCORING, TABLES, TRAINING, Verdict, counts
from python_ml.quality.records import FILE, read
from python_ml.report import page

if TYPE_CHECKING:
    from python_ml.project import Project

PAGE = "quality.html"


def render_page(verdicts: Mapping[str, Verdict], project_name: str) -> str:
    """Render the verdicts of the last run.

    Parameters
    ----------
    verdicts : mapping of str to Verdict
        By suite; either may be missing.
    project_name : str

    Returns
    -------
    str
        An HTML page that depends on the arguments alone. Every name and value is escaped, and the page's own policy
        forbids scripts and every load.
    """
    counted = [counts(verdict.outcomes) for verdict in verdicts.values()]
    values = {
        "project_name": project_name,
        "sections": [_section(suite, verdicts.get(suite)) for suite in (TRAINING, SCORING)],
        "refused": [outcome for verdict in verdicts.values() for outcome in verdict.refused],
        "checks": sum(count["checks"] for count in counted),
        "warned": sum(count["warnings"] for count in counted),
        "accepted": sum(count["accepted"] for count in counted),
    }
    return page.render("quality", values)


def write_quality(project: Project, verdict: Verdict) -> None:
    """Add a verdict to that of the other suite, in ``reports/quality.json`` and ``quality.html``.

    A new verdict on the training set begins a new run: the verdict on a scoring set of an older model is dropped.
    """
    folder = project.reports_dir
    verdicts = {} if verdict.suite == TRAINING else read(folder)
    verdicts[verdict.suite] = verdict
    document = {suite: verdicts[suite].to_dict() for suite in (TRAINING, SCORING) if suite in verdicts}
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    for name, content in ((FILE, text), (PAGE, render_page(verdicts, project.name))):
        write_text(folder / name, content)


def _section(suite: str, verdict: Verdict | None) -> dict[str, Any]:
    """What the template needs of one suite: failures first, then every check by its kind."""
    section = {"suite": suite, "table": TABLES[suite], "verdict": verdict}
    if verdict is None:
        return section
    groups = {name: [o for o in verdict.outcomes if o.check.name == name] for name in ABOUT}
    return section | {
        "counts": counts(verdict.outcomes),
        "failed": verdict.failed,
        "groups": [(name, ABOUT[name], group, counts(group)) for name, group in groups.items() if group],
    }
