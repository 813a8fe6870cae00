"""The deep profile: what raw files hold, measured on DuckDB, as findings (YAML), a page (HTML) and a summary.

:mod:`assembly` leads: it has :mod:`python_ml.onboarding` open the files and find the customer and the time, then lets
one module per question measure. :mod:`schema` says what a finding is, :mod:`storage` writes and reads it; :mod:`page`
and :mod:`summary` show findings and know nothing else.
"""

from python_ml.profiling.assembly import profile_files, profile_measured
from python_ml.profiling.measures import measure_columns
from python_ml.profiling.page import render_page
from python_ml.profiling.schema import Findings
from python_ml.profiling.storage import read_findings, save_profile, write_findings
from python_ml.profiling.summary import summarise

__all__ = [
    "Findings",
    "measure_columns",
    "profile_files",
    "profile_measured",
    "read_findings",
    "render_page",
    "save_profile",
    "summarise",
    "write_findings",
]
