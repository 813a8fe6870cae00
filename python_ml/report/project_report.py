"""From inputs to the page: one self-contained HTML file that loads nothing and runs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from python_ml.files import write_text
from python_ml.report import actions, customers, explained, page, provenance
from python_ml.report.backtests import backtest_section
from python_ml.report.inputs import ReportInputs, load_inputs
from python_ml.report.monitoring_page import monitoring_section
from python_ml.report.performance import curve_section, headline_figures, model_table
from python_ml.report.survival import survival_section
from python_ml.report.uplift_section import uplift_section

if TYPE_CHECKING:
    from pathlib import Path

    from python_ml.project import Project


def render_report(inputs: ReportInputs) -> str:
    """Render the report.

    Parameters
    ----------
    inputs : ReportInputs
        Metrics, predictions and tables. Any of the frames may be missing: the page then states what is
        missing and which command makes it.

    Returns
    -------
    str
        An HTML page with its style and charts inline. It depends on ``inputs`` alone. Every name and value
        is escaped, and the page's own policy forbids scripts and every load.

    Raises
    ------
    UserError
        When a frame lacks a column.
    """
    at_risk = customers.customers_section(inputs)
    periods = provenance.periods_of(inputs, at_risk.get("as_of"))
    values = {
        "inputs": inputs,
        "head": headline_figures(inputs.metrics),
        "customers": at_risk,
        "actions": actions.actions_section(inputs),
        "drivers": customers.drivers_section(inputs),
        "segments": explained.segment_drivers(inputs),
        "reliability": explained.reliability_section(inputs),
        "curves": curve_section(inputs),
        "models": model_table(inputs.metrics),
        "survival": survival_section(inputs),
        "backtests": backtest_section(inputs.backtest),
        "uplift": uplift_section(inputs),
        "monitoring": monitoring_section(inputs),
        "data": provenance.data_section(inputs, periods),
        "method": provenance.method_section(inputs, periods),
    }
    return page.render("report", values)


def write_report(inputs: ReportInputs, path: Path) -> Path:
    """Render the report and put it at ``path`` in one step: readers see the old page or the new one.

    Returns
    -------
    Path
        ``path``.
    """
    write_text(path, render_report(inputs))
    return path


def create_report(project: Project) -> Path:
    """Write ``reports/index.html`` of a project from its last run.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    UserError
        When there are no metrics or no warehouse yet, or a file of another version cannot be read.
    """
    return write_report(load_inputs(project), project.reports_dir / "index.html")
