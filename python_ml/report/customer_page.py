"""One customer's explanation as a page."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from python_ml.files import write_text
from python_ml.formatting import key_text, moment
from python_ml.model.reasons import amount_text, as_text, subject
from python_ml.model.risk_bands import BANDS
from python_ml.project import is_dateless
from python_ml.report import charts, page
from python_ml.report.explanation_charts import Bar, history_chart, waterfall_chart

if TYPE_CHECKING:
    from pathlib import Path

    from python_ml.explanation import CustomerExplanation
    from python_ml.explanation.counterfactuals import Counterfactual
    from python_ml.model.card import CardColumn, ModelCard
    from python_ml.project import Project

FOLDER = "customers"
BARS = 10
CHANGES = 6


def file_name(key: Any) -> str:
    """A file name for any key: its letters and digits, and a hash that no other key shares.

    Examples
    --------
    >>> file_name("../../etc/passwd")
    'etc_passwd-3754d6cb3a.html'
    """
    text = key_text(key)
    readable = re.sub(r"[^A-Za-z0-9]+", "_", text)[:40].strip("_")
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:10]
    return f"{readable}-{digest}.html".lstrip("-")


def write_customer(project: Project, explanation: CustomerExplanation, card: ModelCard) -> Path:
    """Write the page of a customer in ``reports/customers``; where it is."""
    path = project.reports_dir / FOLDER / file_name(explanation.key)
    dated = not is_dateless(project.vars)
    write_text(path, render_customer(explanation, card, project.name, project.entity, dated))
    return path


def render_customer(
    explanation: CustomerExplanation, card: ModelCard, project_name: str, entity: str, dated: bool = True
) -> str:
    """Render the page.

    Parameters
    ----------
    explanation : CustomerExplanation
    card : ModelCard
        Of the champion.
    project_name, entity : str
        Name of the project, and of the column with the customer's key.
    dated : bool
        Whether rows have times of their own.

    Returns
    -------
    str
        An HTML page that depends on the arguments alone. Every name and value is escaped.
    """
    columns = {column.name: column for column in card.columns}
    steps = [
        Bar(row.statement + (f" (+{row.merged - 1})" if row.merged > 1 else ""), row.contribution)
        for row in explanation.parts.itertuples()
    ]
    shown, rest = steps[:BARS], steps[BARS:]
    if rest:
        shown.append(Bar(f"{len(rest)} others", sum(step.contribution for step in rest)))
    history = None
    if dated and len(explanation.history) > 1:
        names = {name: subject(column) for name, column in columns.items()}
        history = charts.both_widths(history_chart, explanation.history, explanation.threshold, names)
    similar = [row | {"key": key_text(row["key"])} for row in explanation.similar.to_dict("records")]
    values = {
        "one": explanation,
        "key": key_text(explanation.key),
        "kind": explanation.band if explanation.band in BANDS else "other",
        "project_name": project_name,
        "entity": entity,
        "dated": dated,
        "waterfall": charts.both_widths(waterfall_chart, shown, explanation.base_log_odds),
        "history": history,
        "in_training": moment(card.fitted_on.get("to")),
        "ways": [way_values(one, columns) for one in explanation.counterfactuals],
        "similar": similar,
        "churned": sum(int(row["churned"]) for row in similar),
    }
    return page.render("customer", values)


def way_values(one: Counterfactual, columns: dict[str, CardColumn]) -> dict[str, Any]:
    """A counterfactual as plain data in words."""
    return {
        "title": " and ".join(as_text(source) for source in one.sources).capitalize(),
        "probability": one.probability,
        "reached": one.reached,
        "changes": [
            {
                "subject": subject(columns[name]),
                "old": amount_text(columns[name], old),
                "new": amount_text(columns[name], new),
            }
            for name, old, new in one.changes[:CHANGES]
        ],
        "more": max(len(one.changes) - CHANGES, 0),
    }
