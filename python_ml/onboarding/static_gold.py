"""The properties file of gold for a table with a target: features described once, labels, sets."""

from __future__ import annotations

import re
from typing import Any

from python_ml.onboarding import gold_descriptions
from python_ml.onboarding.dbt_yaml import OneLine, OneLineList, properties
from python_ml.onboarding.descriptions import NOT_NULL, same_rows, unique_rows
from python_ml.onboarding.naming import yaml_text
from python_ml.onboarding.static import StaticSpec


def features(static: StaticSpec) -> str:
    """Write the models file of the features, labels, training and scoring sets: each column described once."""
    spec, snapshot = static.project, static.scenario.is_snapshot
    entity, bronze = spec.entity, f"brz_{spec.name}__{static.table.name}"
    key = {
        "name": entity,
        "data_type": "string",
        "description": "Key of the customer",
        "constraints": [OneLine(type="not_null")],
        "config": {"meta": OneLine(role="key")},
    }
    time = {
        "name": "feature_timestamp",
        "data_type": "timestamp",
        "description": "The snapshot: a constant, the variable `snapshot_at`, and no date of the data"
        if snapshot
        else yaml_text(f"When the row was seen (UTC): {static.scenario.seen.words}"),
        "constraints": [OneLine(type="not_null")],
        "config": {"meta": OneLine(role="time")},
    }
    made = [
        {
            "name": feature.name,
            "data_type": feature.column.data_type,
            "description": yaml_text(feature.column.description),
            "config": {"meta": OneLine(feature.column.meta)},
        }
        for feature in static.features
    ]
    made += [
        {
            "name": column.name,
            "data_type": column.data_type,
            "description": yaml_text(column.description),
            "config": {"meta": OneLine(column.meta)},
        }
        for column in (interaction.column for interaction in spec.interactions)
    ]
    label_time = {
        "name": "label_timestamp",
        "data_type": "timestamp",
        "description": "The snapshot, as `feature_timestamp`: nothing says when the outcome was decided"
        if snapshot
        else "When the outcome was known (UTC)",
        "config": {"meta": OneLine(role="time")},
    }
    available = {
        "name": "label_available_flag",
        "data_type": "boolean",
        "description": "Whether the file says the outcome",
        "data_tests": [NOT_NULL],
        "config": {"meta": OneLine(role="label")},
    }
    churned = {
        "name": "churned",
        "data_type": "integer",
        "description": yaml_text(
            f"1 when `{static.target.name}` is one of the variable `churned_values`, 0 for any other value, null "
            "without one"
        ),
        "data_tests": [{"accepted_values": {"arguments": {"values": OneLineList([0, 1]), "quote": False}}}],
        "config": {"meta": OneLine(role="label")},
    }
    config = {"access": "public", "contract": OneLine(enforced=True)}
    grain = "One row per customer" if snapshot else "One row per customer and feature time"
    same = [same_rows(bronze)] if snapshot else []
    scored = "customer who is not known to have left" if snapshot else "customer at the newest feature time"
    models: list[dict[str, Any]] = [
        {
            "name": "gld_customer_features",
            "description": f"{grain}. Every feature, nothing of the label. Columns whose `leakage_risk` is high are "
            "kept here to be looked at; models leave them out (`features.exclude` in `retention.yml`).",
            "config": config,
            "data_tests": [unique_rows(entity, "feature_timestamp"), *same],
            "columns": [key, time, *made],
        },
        {
            "name": "gld_churn_labels",
            "description": yaml_text(f"{grain}. Who left, as the column `{static.target.name}` says."),
            "config": config,
            "data_tests": [unique_rows(entity, "feature_timestamp"), same_rows("gld_customer_features")],
            "columns": [key, time, label_time, available, churned],
        },
        {
            "name": "gld_training_set",
            "description": f"{grain} whose outcome is known. Features and label.",
            "config": config,
            "data_tests": [unique_rows(entity, "feature_timestamp")],
            "columns": [key, time, *made, label_time, churned],
        },
        {
            "name": "gld_scoring_set",
            "description": f"One row per {scored}.",
            "config": config,
            "data_tests": [unique_rows(entity)],
            "columns": [key, time, *made],
        },
    ]
    return properties(
        {"models": models},
        "Each column is described once, here, and referred to below. Roles and origins are the feature "
        "registry:\ntraining, scoring and the docs read them from dbt's manifest.",
    )


# What scores say of feature times, and what is true of a snapshot.
_SNAPSHOT_WORDS = {
    "customer at risk at the newest feature time": "customer of the snapshot who is not known to have left",
    "customer at risk": "customer of the snapshot who is not known to have left",
    "As-of time of the features that were scored (UTC).": "A constant that stands for the snapshot, and no date of "
    "the data.",
    "leaves in the label window": "leaves as others in the snapshot have",
    "those of the validation period": "those of cross-validation",
}


def scores(static: StaticSpec) -> str:
    """Write the models file of scores and reasons, and the exposure."""
    text = gold_descriptions.scores(static.project)
    if not static.scenario.is_snapshot:
        return text
    # Folded lines may cut a phrase in two.
    for phrase, instead in _SNAPSHOT_WORDS.items():
        text = re.sub(r"\s+".join(map(re.escape, phrase.split())), instead, text)
    return text
