"""Definitions of a feature store, made from the feature registry in dbt's manifest."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from python_ml.dbt import feature_registry
from python_ml.errors import UserError
from python_ml.feature_store import schema
from python_ml.feature_store.schema import (
    CREATED_AT,
    FEATURE_TIME,
    VALID_FROM,
    ServiceDefinition,
    StoredColumn,
    StoreDefinition,
    ViewDefinition,
)
from python_ml.names import free_name, identifier

if TYPE_CHECKING:
    from python_ml.dbt import Feature
    from python_ml.project import Project

# Types of DuckDB, Spark and Databricks, as a whole: an array of texts is no text.
_KINDS = {
    schema.TEXT: r"varchar(\(\d+\))?|string|text|char(\(\d+\))?",
    schema.BOOLEAN: r"bool(ean)?",
    schema.INTEGER: r"(tiny|small)int|int(eger)?|short|byte|int[1248]\b",
    schema.BIGINT: r"bigint|long",
    schema.FLOAT: r"float4?|real",
    schema.DOUBLE: r"double( precision)?|float8",
    schema.DECIMAL: r"(decimal|numeric)(\(\s*\d+\s*(,\s*\d+\s*)?\))?",
    schema.DATE: r"date",
    schema.TIMESTAMP: r"timestamp(_ntz)?",
}
_SQL_TYPES = {schema.TEXT: "varchar", schema.TIMESTAMP: "timestamp"}
_KEYS = (schema.TEXT, schema.INTEGER, schema.BIGINT)
_TAGS = ("measure", "aggregate", "window", "leakage_risk", "fitted", "fitted_before")
ALL_FEATURES = "all_features"


def define_store(project: Project) -> StoreDefinition:
    """Describe the features of a project: one view for each source, and the service of the champion.

    The service is ``churn_<kind of model>`` with the columns that the champion takes, or ``churn_all_features`` before
    there is a champion.

    Raises
    ------
    UserError
        When the project has not been built, or a column has a type that cannot be served.
    """
    registry = feature_registry(project)
    keys = [feature for feature in registry if feature.role == "key"]
    features = [feature for feature in registry if feature.role == "feature"]
    if len(keys) != 1 or not features:
        raise UserError(
            f"gld_customer_features has {len(keys)} key columns and {len(features)} features.",
            where=str(project.manifest_path),
            hint="a feature store needs one key column and at least one feature: see config.meta.role of its columns",
        )
    key = _column(keys[0])
    if key.kind not in _KEYS:
        raise UserError(
            f"The key {key.name} is of type {keys[0].data_type}, which no online store looks up.",
            where="gld_customer_features",
            hint="cast it to a text or a whole number in the model",
        )
    taken = {key.name, FEATURE_TIME, VALID_FROM, CREATED_AT}
    if clash := sorted(taken & {feature.name for feature in features}):
        raise UserError(
            f"A feature has the name of a column of the feature store: {', '.join(clash)}.",
            where="gld_customer_features",
            hint="rename the feature",
        )
    return StoreDefinition(identifier(project.name, "project"), key, _views(features), _service(project, features))


def _views(features: Iterable[Feature]) -> tuple[ViewDefinition, ...]:
    by_source: dict[str, list[Feature]] = {}
    for feature in features:
        by_source.setdefault(feature.source or "other", []).append(feature)
    used: set[str] = set()
    return tuple(
        ViewDefinition(
            name=free_name(identifier(source, "view"), used),
            columns=tuple(map(_column, members)),
            description=f"Features of {source} by customer, known before the feature time",
            tags={"source": source, "model": "gld_customer_features"},
        )
        for source, members in by_source.items()
    )


def _column(feature: Feature) -> StoredColumn:
    data_type = feature.data_type.strip().lower()
    kind = next((name for name, pattern in _KINDS.items() if re.fullmatch(pattern, data_type)), None)
    if kind is None:
        raise UserError(
            f"The column {feature.name} is of type {feature.data_type}, which the feature store cannot serve.",
            where="gld_customer_features",
            hint=f"cast it in the model to one of: {', '.join(_KINDS)}",
        )
    sql_type = data_type if kind == schema.DECIMAL else _SQL_TYPES.get(kind, kind)
    tags = {name: str(getattr(feature, name)) for name in _TAGS if getattr(feature, name) is not None}
    return StoredColumn(feature.name, kind, sql_type, feature.description, tags)


def _service(project: Project, features: Iterable[Feature]) -> ServiceDefinition:
    """The service of the champion; its files are verified as before a scoring."""
    from python_ml.model.card import ModelCard
    from python_ml.model.registry import champion_files
    from python_ml.model.store import CARD_FILE

    names = [feature.name for feature in features]
    files = champion_files(project)
    if files is None:
        return ServiceDefinition(f"churn_{ALL_FEATURES}", tuple(names), "All features; there is no champion yet")
    card = ModelCard.from_json((files.folder / "extra_files" / CARD_FILE).read_text(encoding="utf-8"))
    wanted = [column.name for column in card.inputs]
    if missing := [name for name in wanted if name not in names]:
        raise UserError(
            f"The champion takes features that gold no longer has: {', '.join(missing[:5])}.",
            where=f"{project.name} version {files.version}",
            hint="run `retention train`",
        )
    return ServiceDefinition(
        f"churn_{identifier(card.model, 'model')}",
        tuple(wanted),
        f"Features that the champion takes (version {files.version})",
        {"model_version": str(files.version)},
    )
