"""Self-contained HTML pages: the report of a project, its data quality, the profile of raw files."""

from python_ml.report.card_files import update_model_card, write_model_card
from python_ml.report.inputs import ReportInputs, load_inputs
from python_ml.report.project_report import create_report, render_report, write_report

__all__ = [
    "ReportInputs",
    "create_report",
    "load_inputs",
    "render_report",
    "update_model_card",
    "write_model_card",
    "write_report",
]
