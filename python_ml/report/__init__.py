"""The report: one self-contained HTML page that says who will leave, why, and how sure we are."""

from python_ml.report.inputs import ReportInputs, load_inputs
from python_ml.report.project_report import create_report, render_report, write_report

__all__ = ["ReportInputs", "create_report", "load_inputs", "render_report", "write_report"]
