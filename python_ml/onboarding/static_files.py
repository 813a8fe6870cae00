"""Writing the project of a table with a target: bronze as everywhere, and gold straight from it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from python_ml.names import comment_text
from python_ml.onboarding import descriptions, static_findings, static_gold
from python_ml.onboarding.bronze_sql import BronzeModel, bronze_model
from python_ml.onboarding.generation import _environment
from python_ml.onboarding.static import StaticSpec

_SHARED = (
    "gld_training_set.sql",
    "gld_churn_scores_raw.py",
    "gld_churn_scores.sql",
    "gld_churn_reasons_raw.py",
    "gld_churn_reasons.sql",
    "_gold__findings.yml",
)
_OWN = ("gld_customer_features.sql", "gld_churn_labels.sql", "gld_scoring_set.sql")


def render_static(static: StaticSpec) -> dict[str, str]:
    """Render every file of a project.

    Returns
    -------
    dict of str to str
        Text by path relative to the project.
    """
    spec, environment = static.project, _environment()
    models = {source.name: _bronze(static, source) for source in spec.sources}
    shared: dict[str, Any] = {
        "spec": spec,
        "project": spec.name,
        "entity": spec.entity,
        "sources": spec.sources,
        "table": static.table,
        "features": static.features,
        "scenario": static.scenario,
        "target": static.target_column,
        # dbt does not render what stands under vars
        "churned_values": json.dumps(list(static.target.leaving), ensure_ascii=False),
        "model_input": spec.model_input,
        "excluded": [(name, comment_text(reason)) for name, reason in static.excluded.items()],
        "seen_sql": _seen_sql(static),
        "label_time_sql": _label_time_sql(static),
    }

    def written(template: str, **context: Any) -> str:
        return environment.get_template(template).render({**shared, **context}).strip("\n") + "\n"

    files = {f"models/gold/{name}": written(name) for name in _SHARED}
    files |= {f"models/gold/{name}": written(f"static/{name}") for name in _OWN}
    bronze = f"models/bronze/{spec.name}"
    for source in spec.sources:
        stem = f"{bronze}/brz_{spec.name}__{source.name}"
        for suffix, template in (("__checked", "checked"), ("", "kept"), ("__quarantine", "quarantine")):
            files[f"{stem}{suffix}.sql"] = written(f"{template}.sql", source=models[source.name])
    files["models/bronze/brz_row_counts.sql"] = written("brz_row_counts.sql")
    files[f"{bronze}/_{spec.name}__sources.yml"] = descriptions.sources(spec)
    files[f"{bronze}/_{spec.name}__models.yml"] = descriptions.bronze(spec, models)
    files["models/bronze/_bronze__models.yml"] = descriptions.row_counts()
    files["models/gold/_gold__features.yml"] = static_gold.features(static)
    files["models/gold/_gold__scores.yml"] = static_gold.scores(static)
    files["tests/singular/assert_no_raw_row_is_lost.sql"] = written("assert_no_raw_row_is_lost.sql")
    files["macros/generate_schema_name.sql"] = written("generate_schema_name.sql")
    for name in ("profiles.yml", "packages.yml"):
        files[name] = written(name)
    for name in ("dbt_project.yml", "selectors.yml", "retention.yml"):
        files[name] = written(f"static/{name}")
    files[".gitignore"] = written("gitignore")
    files["README.md"] = written("static/README.md", **static_findings.readme(static))
    files["findings.yaml"] = static_findings.findings_yaml(static)
    return files


def _bronze(static: StaticSpec, source: Any) -> BronzeModel:
    """The bronze model of a source; of several rows of a customer, the target must not decide which one stays."""
    model = bronze_model(source)
    if source is not static.table:
        return model
    target = static.target_column.name
    return replace(model, tie_breakers=[*(n for n in model.tie_breakers if n != target), target])


def _seen_sql(static: StaticSpec) -> str:
    seen = static.scenario.seen
    if seen is None:
        return ""
    names = {s.raw_name: s.name for s in static.table.columns}
    if seen.duration is None:
        return names[seen.column]
    length = f"cast({names[seen.duration]} as integer)"
    return f"{{{{ dbt.dateadd('{seen.unit}', '{length}', '{names[seen.column]}') }}}}"


def _label_time_sql(static: StaticSpec) -> str:
    scenario = static.scenario
    if scenario.is_snapshot:
        return "{{ customer_retention.timestamp_literal(var('snapshot_at'), 'snapshot_at') }}"
    if scenario.decided is not None:
        return next(s.name for s in static.table.columns if s.raw_name == scenario.decided)
    moved = "customer_retention.epoch_us('feature_timestamp') ~ ' + ' ~ customer_retention.duration_us(var('horizon'))"
    return f"{{{{ customer_retention.timestamp_from_us({moved}) }}}}"
