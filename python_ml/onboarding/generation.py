"""Writing the project: templates for what people read as code, a YAML writer for the rest."""

from __future__ import annotations

import re
from typing import Any

from python_ml.feature_columns import duration_words
from python_ml.names import comment_text, yaml_text
from python_ml.onboarding import descriptions, gold_descriptions
from python_ml.onboarding.bronze_sql import bronze_model
from python_ml.onboarding.findings import findings_yaml, readme_tables
from python_ml.onboarding.linked_sql import linked_model
from python_ml.onboarding.specification import ProjectSpec
from python_ml.onboarding.supplied_sql import supplied_context, supplied_templates

_SAME = {
    "bronze/brz_row_counts.sql": "brz_row_counts.sql",
    "silver/slv_observation_period.sql": "slv_observation_period.sql",
    "silver/slv_spine.sql": "slv_spine.sql",
    "gold/gld_churn_labels.sql": "gld_churn_labels.sql",
    "gold/gld_customer_features.sql": "gld_customer_features.sql",
    "gold/gld_training_set.sql": "gld_training_set.sql",
    "gold/gld_scoring_set.sql": "gld_scoring_set.sql",
    "gold/gld_churn_scores_raw.py": "gld_churn_scores_raw.py",
    "gold/gld_churn_scores.sql": "gld_churn_scores.sql",
    "gold/gld_churn_reasons_raw.py": "gld_churn_reasons_raw.py",
    "gold/gld_churn_reasons.sql": "gld_churn_reasons.sql",
    "gold/_gold__findings.yml": "_gold__findings.yml",
}


def render(spec: ProjectSpec) -> dict[str, str]:
    """Render every file of a project.

    Returns
    -------
    dict of str to str
        Text by path relative to the project.
    """
    templates = _environment()
    models = {source.name: bronze_model(source) for source in spec.sources}
    shared: dict[str, Any] = {
        "spec": spec,
        "project": spec.name,
        "entity": spec.entity,
        "activity": spec.activity,
        "sources": spec.sources,
        "linked": spec.linked,
        "model_input": spec.model_input,
        "excluded": [(name, comment_text(reason)) for name, reason in spec.model_input.exclude.items()],
        "feature_models": [
            {"name": name, "alias": name.removeprefix("slv_").removesuffix("_windows")} for name, _ in spec.feature_sets
        ],
    }

    def written(template: str, **context: Any) -> str:
        return templates.get_template(template).render({**shared, **context}).strip("\n") + "\n"

    files = {f"models/{path}": written(template) for path, template in _SAME.items()}
    if spec.supplied is not None:
        shared |= supplied_context(spec.supplied)
        files |= {f"models/{path}": written(template) for path, template in supplied_templates(spec.supplied)}
    bronze = f"models/bronze/{spec.name}"
    for source in spec.sources:
        stem = f"{bronze}/brz_{spec.name}__{source.name}"
        for suffix, template in (("__checked", "checked"), ("", "kept"), ("__quarantine", "quarantine")):
            files[f"{stem}{suffix}.sql"] = written(f"{template}.sql", source=models[source.name])
        if source.links:
            linked = linked_model(spec, source, models[source.name])
            stem = f"models/silver/slv_{source.name}"
            for suffix, template in (
                ("__linked", "linked"),
                ("", "linked_kept"),
                ("__quarantine", "linked_quarantine"),
            ):
                files[f"{stem}{suffix}.sql"] = written(f"{template}.sql", source=linked)
        files |= _window_models(source, written)
    if spec.linked:
        files["models/silver/slv_link_counts.sql"] = written("slv_link_counts.sql")
    files[f"{bronze}/_{spec.name}__sources.yml"] = descriptions.sources(spec)
    files[f"{bronze}/_{spec.name}__models.yml"] = descriptions.bronze(spec, models)
    files["models/bronze/_bronze__models.yml"] = descriptions.row_counts()
    files["models/silver/_silver__models.yml"] = descriptions.silver(spec)
    files["models/gold/_gold__features.yml"] = gold_descriptions.features(spec)
    files["models/gold/_gold__scores.yml"] = gold_descriptions.scores(spec)
    files["tests/singular/assert_no_raw_row_is_lost.sql"] = written("assert_no_raw_row_is_lost.sql")
    files["macros/generate_schema_name.sql"] = written("generate_schema_name.sql")
    files["dbt_project.yml"] = written("dbt_project.yml")
    for name in ("profiles.yml", "packages.yml", "selectors.yml", "retention.yml"):
        files[name] = written(name)
    files[".gitignore"] = written("gitignore")
    files["README.md"] = written("README.md", **readme_tables(spec))
    files["findings.yaml"] = findings_yaml(spec)
    return files


def _window_models(source: Any, written: Any) -> dict[str, str]:
    if not source.dated:
        return {}
    where = "not is_reversal" if source.reversal else None
    files = {
        f"models/silver/slv_{source.name}_windows.sql": written(
            "windows.sql", source=source, name=source.name, measures=source.measures, where=where, words=source.events
        )
    }
    if source.reversal:
        name = source.reversal.name
        files[f"models/silver/slv_{name}_windows.sql"] = written(
            "windows.sql",
            source=source,
            name=name,
            measures=source.reversal.measures,
            where="is_reversal",
            words=name.replace("_", " "),
        )
    return files


def _environment() -> Any:
    """Jinja with brackets for braces, since what it writes is itself full of Jinja."""
    import jinja2

    environment = jinja2.Environment(  # noqa: S701 - SQL and YAML, not HTML
        loader=jinja2.PackageLoader("python_ml.onboarding"),
        variable_start_string="[[",
        variable_end_string="]]",
        block_start_string="[%",
        block_end_string="%]",
        comment_start_string="[#",
        comment_end_string="#]",
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["yaml_value"] = _yaml_value
    environment.filters["in_words"] = duration_words
    environment.filters["patterns"] = _patterns
    return environment


def _patterns(values: dict[str, str]) -> list[tuple[str, str]]:
    """Settings by feature, with one line for all windows of an aggregate: ``orders_amount_sum_*``."""
    lines: dict[str, str] = {}
    for name, how in sorted(values.items()):
        found = re.fullmatch(r"(.+)_(\d+[hdw]|all_time)", name)
        stem = found[1] if found else ""
        together = {how for other, how in values.items() if stem and other.startswith(f"{stem}_")}
        is_several = sum(other.startswith(f"{stem}_") for other in values) > 1
        lines['"' + stem + '_*"' if len(together) == 1 and is_several else name] = how
    return list(lines.items())


def _yaml_value(text: str) -> str:
    """A YAML scalar in double quotes; harmless to dbt's Jinja as well."""
    import json

    return json.dumps(yaml_text(str(text)), ensure_ascii=False)
