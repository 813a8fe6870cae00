"""What the templates of supplied labels need: which models they replace, and when an outcome was known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from python_ml.names import comment_text
from python_ml.onboarding.findings import code, markdown
from python_ml.onboarding.label_parts import SPLIT_COLUMN
from python_ml.onboarding.supplied import label_time_words

if TYPE_CHECKING:
    from python_ml.onboarding.supplied import Supplied

_TEMPLATES = {
    "silver/slv_labels.sql": "slv_labels.sql",
    "silver/slv_observation_period.sql": "slv_observation_period.sql",
    "silver/slv_spine.sql": "slv_spine.sql",
    "gold/gld_churn_labels.sql": "gld_churn_labels.sql",
    "gold/gld_scoring_set.sql": "gld_scoring_set.sql",
}


def supplied_templates(supplied: Supplied) -> list[tuple[str, str]]:
    """Path and template of the models that supplied labels bring or replace."""
    found = [(path, f"supplied/{template}") for path, template in _TEMPLATES.items()]
    if supplied.labels.split is not None:
        found.append(("gold/gld_training_set.sql", "supplied/gld_training_set.sql"))
    return found


def supplied_context(supplied: Supplied) -> dict[str, Any]:
    """What their templates read."""
    time = supplied.labels.time.name
    moved = (
        f"customer_retention.epoch_us('{time}') ~ ' + ' ~ (customer_retention.duration_us(var('horizon'), 'horizon')"
        " + customer_retention.duration_us(var('gap', '0d'), 'gap'))"
    )
    told = label_time_words(supplied)
    lowered = told[:1].lower() + told[1:]
    return {
        "labels": supplied.labels,
        "label_title": comment_text(supplied.labels.source.file.path.name),
        "ahead_sql": f"{{{{ customer_retention.timestamp_from_us({moved}) }}}}",
        "churned_values": json.dumps(list(supplied.labels.target.leaving), ensure_ascii=False),
        "scores_file": supplied.times.scores_file,
        "split_column": SPLIT_COLUMN,
        "label_time": markdown(lowered),
        "leaving": " or ".join(code(value) for value in supplied.labels.target.leaving),
    }
