"""Facts about raw tables, measured once: what the plan is made of, and what the page shows."""

from __future__ import annotations

from python_ml.profile.activity import (
    count_at_risk,
    measure_activity,
    measure_delays,
    preview_inactivity,
    preview_spans,
)
from python_ml.profile.assembly import profile_tables
from python_ml.profile.labels import measure_labels
from python_ml.profile.notices import notices, summary
from python_ml.profile.outcomes import read_outcome
from python_ml.profile.schema import Profile
from python_ml.profile.storage import check_output, from_json, to_json, to_yaml

__all__ = [
    "Profile",
    "check_output",
    "count_at_risk",
    "from_json",
    "measure_activity",
    "measure_delays",
    "measure_labels",
    "notices",
    "preview_inactivity",
    "preview_spans",
    "profile_tables",
    "read_outcome",
    "summary",
    "to_json",
    "to_yaml",
]
