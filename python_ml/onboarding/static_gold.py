"""The properties file of gold for a table with a target: features described once, labels, sets."""

from __future__ import annotations

import re

from python_ml.onboarding import gold_descriptions
from python_ml.onboarding.static import StaticSpec


def features(static: StaticSpec) -> str:
    """Write the models file of the features, labels, training and scoring sets of a table with a target."""
    snapshot, seen, target = static.scenario.is_snapshot, static.scenario.seen, static.target.name
    grain = "One row per customer" if snapshot else "One row per customer and feature time"
    words = gold_descriptions.Words(
        time="The snapshot: a constant, the variable `snapshot_at`, and no date of the data"
        if snapshot
        else f"When the row was seen (UTC): {seen.words}",
        label_time="The snapshot, as `feature_timestamp`: nothing says when the outcome was decided"
        if snapshot
        else "When the outcome was known (UTC)",
        available="Whether the file says the outcome",
        churned=f"1 when `{target}` is one of the variable `churned_values`, 0 for any other value, null without one",
        features=f"{grain}. Every feature, nothing of the label. Columns whose `leakage_risk` is high are "
        "kept here to be looked at; models leave them out (`features.exclude` in `retention.yml`).",
        labels=f"{grain}. Who left, as the column `{target}` says.",
        training=f"{grain} whose outcome is known. Features and label.",
        scoring="One row per "
        + ("customer who is not known to have left." if snapshot else "customer at the newest feature time."),
        same_rows=(
            f"brz_{static.project.name}__{static.table.name}" if snapshot else None,
            "gld_customer_features",
        ),
    )
    return gold_descriptions.feature_models(static.project, words)


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
