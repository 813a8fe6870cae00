"""The properties files of gold: features described once, labels, sets, scores, reasons, exposure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from python_ml.names import yaml_text
from python_ml.onboarding.dbt_yaml import OneLine, OneLineList, properties
from python_ml.onboarding.descriptions import NOT_NULL, same_rows, unique_rows
from python_ml.onboarding.label_parts import SPLIT_COLUMN
from python_ml.onboarding.specification import ProjectSpec
from python_ml.onboarding.supplied import label_time_words


def _contracted(**more: str) -> dict[str, Any]:
    return {"access": "public", "contract": OneLine(enforced=True), **more}


@dataclass(frozen=True)
class Words:
    """What differs between projects in the descriptions of gold, and in its tests.

    Attributes
    ----------
    time, label_time, available, churned : str
        Of the columns that every project has.
    features, labels, training, scoring : str
        Of the models.
    same_rows : tuple of str or None
        Models that features and labels must have the same customers and times as.
    """

    time: str
    label_time: str
    available: str
    churned: str
    features: str
    labels: str
    training: str
    scoring: str
    same_rows: tuple[str | None, str | None]


def feature_models(spec: ProjectSpec, words: Words, parts: Sequence[dict[str, Any]] = ()) -> str:
    """Write the models file of the features, labels, training and scoring sets: each column described once.

    Parameters
    ----------
    spec : ProjectSpec
    words : Words
    parts : sequence of dict
        Further columns of the training set.
    """
    key = {
        "name": spec.entity,
        "data_type": "string",
        "description": "Key of the customer",
        "constraints": [OneLine(type="not_null")],
        "config": {"meta": OneLine(role="key")},
    }
    time = {
        "name": "feature_timestamp",
        "data_type": "timestamp",
        "description": yaml_text(words.time),
        "constraints": [OneLine(type="not_null")],
        "config": {"meta": OneLine(role="time")},
    }
    made = [
        {
            "name": column.name,
            "data_type": column.data_type,
            "description": yaml_text(column.description),
            "config": {"meta": OneLine(column.meta)},
        }
        for column in spec.features
    ]
    label_time = {
        "name": "label_timestamp",
        "data_type": "timestamp",
        "description": yaml_text(words.label_time),
        "config": {"meta": OneLine(role="time")},
    }
    available = {
        "name": "label_available_flag",
        "data_type": "boolean",
        "description": words.available,
        "data_tests": [NOT_NULL],
        "config": {"meta": OneLine(role="label")},
    }
    churned = {
        "name": "churned",
        "data_type": "integer",
        "description": yaml_text(words.churned),
        "data_tests": [{"accepted_values": {"arguments": {"values": OneLineList([0, 1]), "quote": False}}}],
        "config": {"meta": OneLine(role="label")},
    }
    config = _contracted()
    keys = (spec.entity, "feature_timestamp")
    of_features, of_labels = ([unique_rows(*keys), *([same_rows(m)] if m else [])] for m in words.same_rows)
    models = [
        {
            "name": "gld_customer_features",
            "description": words.features,
            "config": config,
            "data_tests": of_features,
            "columns": [key, time, *made],
        },
        {
            "name": "gld_churn_labels",
            "description": yaml_text(words.labels),
            "config": config,
            "data_tests": of_labels,
            "columns": [key, time, label_time, available, churned],
        },
        {
            "name": "gld_training_set",
            "description": words.training,
            "config": config,
            "data_tests": [unique_rows(*keys)],
            "columns": [key, time, *made, label_time, churned, *parts],
        },
        {
            "name": "gld_scoring_set",
            "description": words.scoring,
            "config": config,
            "data_tests": [unique_rows(spec.entity)],
            "columns": [key, time, *made],
        },
    ]
    return properties(
        {"models": models},
        "Each column is described once, here, and referred to below. Roles and origins are the feature "
        "registry:\ntraining, scoring and the docs read them from dbt's manifest.",
    )


def features(spec: ProjectSpec) -> str:
    """Write the models file of the features, labels, training and scoring sets of a project with events."""
    label_time = "End of the label window (UTC); from then on the outcome can be known"
    available = "Whether the label window was over when the observation ended"
    grain = f"Whether none of the {spec.activity.events} lies in [T + gap, T + gap + horizon)."
    parts = []
    if spec.supplied is not None:
        label_time, available = label_time_words(spec.supplied), "Whether an outcome was supplied"
        grain = "What the supplied labels say."
        if spec.supplied.labels.split is not None:
            part = {"name": SPLIT_COLUMN, "data_type": "string", "description": "Part of the split, as supplied"}
            parts.append({**part, "config": {"meta": OneLine(role="label")}})
    words = Words(
        time="As-of time of the row (UTC); nothing known at or after it is in the features",
        label_time=label_time,
        available=available,
        churned=_churned_words(spec),
        features="One row per customer and feature time. Every feature, nothing of the label. A row can be rebuilt "
        "from data cut off at its own time (`retention replay`).",
        labels=f"One row per customer and feature time. {grain}",
        training="One row per customer and feature time whose outcome is known. Features and label.",
        scoring=f"One row per customer {_scored_words(spec)} at the newest feature time.",
        same_rows=("slv_spine", "slv_spine"),
    )
    return feature_models(spec, words, parts)


def _churned_words(spec: ProjectSpec) -> str:
    if spec.supplied is not None:
        meaning = spec.supplied.labels.target.meaning.removeprefix("churned = ")
        return f"1 when {meaning}, 0 for any other value, null without one"
    events = spec.activity.events
    return f"1 when none of the {events} lies in the label window, 0 when one does, null while it is not known"


def _scored_words(spec: ProjectSpec) -> str:
    return "at risk" if spec.supplied is None else "who is not known to have left"


def scores(spec: ProjectSpec) -> str:
    """Write the models file of scores and reasons, and the exposure."""
    entity = spec.entity
    private = {"access": "private", "group": "scoring"}
    config = _contracted(group="scoring")
    time = {
        "name": "feature_timestamp",
        "data_type": "timestamp",
        "description": "As-of time of the features that were scored (UTC).",
        "config": {"meta": OneLine(role="time")},
    }

    def column(name: str, data_type: str, description: str, *tests: Any) -> dict[str, Any]:
        entry: dict[str, Any] = {"name": name, "data_type": data_type, "description": description}
        if tests:
            entry["data_tests"] = list(tests)
        if name == entity:
            entry["config"] = {"meta": OneLine(role="key")}
        return entry

    bands = {"accepted_values": {"arguments": {"values": OneLineList(["high", "medium", "low"])}}}
    to_scores = {"relationships": {"arguments": {"to": "ref('gld_churn_scores')", "field": entity}}}
    models = [
        {
            "name": "gld_churn_scores_raw",
            "description": "One row per customer at risk. What the champion says; empty until there is one. "
            "`gld_churn_scores` stands over it with a contract.",
            "config": dict(private),
        },
        {
            "name": "gld_churn_reasons_raw",
            "description": "One row per customer and reason. What drives the champion's score; empty until "
            "there is one. "
            "`gld_churn_reasons` stands over it with a contract.",
            "config": dict(private),
        },
        {
            "name": "gld_churn_scores",
            "description": "One row per customer at risk at the newest feature time. How likely they are to leave.",
            "config": config,
            "columns": [
                column(entity, "string", "Key of the customer.", "unique", NOT_NULL),
                column(
                    "risk_band",
                    "string",
                    "`high`, `medium` or `low`: where the probability stands among those of the validation period.",
                    bands,
                ),
                column("model_name", "string", "Name of the champion in the registry."),
                column("model_version", "integer", "Version of the champion in the registry."),
                column(
                    "churn_probability",
                    "double",
                    "Calibrated probability that the customer leaves in the label window.",
                    NOT_NULL,
                ),
                time,
            ],
        },
        {
            "name": "gld_churn_reasons",
            "description": "One row per customer and reason. Why the score is what it is, the strongest reason first.",
            "config": config,
            "data_tests": [unique_rows(entity, "reason_rank")],
            "columns": [
                column(entity, "string", "Key of the customer.", NOT_NULL, to_scores),
                column("feature", "string", "Feature that the reason is about."),
                column("feature_value", "string", "Its value for this customer, as text."),
                column("reason", "string", "The reason as a sentence."),
                column("reason_rank", "integer", "1 for the strongest reason."),
                column(
                    "contribution",
                    "double",
                    "How much the measurement moves the score over all its windows, in log-odds (SHAP); "
                    "positive raises the risk.",
                ),
                time,
            ],
        },
    ]
    owner = {"name": "Retention", "email": "retention@example.com"}
    exposure = {
        "name": "retention_report",
        "label": "Retention report",
        "type": "dashboard",
        "maturity": "medium",
        "url": "https://example.com/reports/index.html",
        "description": "`reports/index.html`, written by `retention report`: who will leave, why, how well "
        "the models predict, "
        "and how that was measured.",
        "depends_on": [
            "ref('gld_churn_scores')",
            "ref('gld_churn_reasons')",
            "ref('gld_training_set')",
            "ref('brz_row_counts')",
        ],
        "owner": dict(owner),
    }
    return properties(
        {"models": models, "groups": [{"name": "scoring", "owner": dict(owner)}], "exposures": [exposure]}
    )
