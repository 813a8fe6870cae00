"""Feast's own objects, made from the definitions; the one module besides the online store that imports Feast."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.errors import UserError
from python_ml.feature_store import schema
from python_ml.feature_store.schema import FEATURE_TIME, VALID_FROM, StoreDefinition
from python_ml.files import write_text

if TYPE_CHECKING:
    from feast import FeatureStore as FeastClient

CONFIG_FILE, REGISTRY_FILE = "feature_store.yaml", "registry.db"
ONLINE_STORE = "python_ml.feature_store.feast_online_store.ChurnOnlineStore"
INSTALL = "pip install 'customer-retention[feast]'"


def require_feast() -> None:
    """Import Feast, without reporting on its use and without folders of its own.

    Raises
    ------
    UserError
        When it is not installed.
    """
    # Feast 0.67 sends nothing; the first holds for a version that would. With the second it makes no temporary folder
    # for metrics, and prometheus_client, imported before it, keeps the figures of this process in memory.
    variables = {"FEAST_USAGE": "False", "PROMETHEUS_MULTIPROCESS_DIR": os.devnull}
    before = {name: os.environ.get(name) for name in (*variables, "PROMETHEUS_MULTIPROC_DIR")}
    try:
        import prometheus_client  # noqa: F401

        os.environ |= variables
        import feast  # noqa: F401
        import ibis  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"Feast cannot be imported: {str(error).splitlines()[0]}.",
            where="retention.yml, feature_store.backend",
            hint=f"run `{INSTALL}`",
        ) from error
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def write_config(folder: Path, project: str, online: str, ttl: timedelta | None) -> None:
    """Write ``feature_store.yaml``, with which Feast's own commands work in the folder as well."""
    import yaml

    hours = None if ttl is None else ttl.total_seconds() / 3600
    config = {
        "project": project,
        "provider": "local",
        "registry": {"registry_type": "file", "path": REGISTRY_FILE, "cache_ttl_seconds": 60},
        "offline_store": {"type": "duckdb"},
        "online_store": {"type": ONLINE_STORE, "path": online, **({} if hours is None else {"ttl_hours": hours})},
        "entity_key_serialization_version": 3,
    }
    text = "# Written by `retention features apply`; changes are lost.\n" + yaml.safe_dump(config, sort_keys=False)
    path = folder / CONFIG_FILE
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)


def open_client(folder: Path) -> FeastClient:
    """Feast's client of the folder."""
    require_feast()
    from feast import FeatureStore as FeastClient

    return FeastClient(repo_path=str(folder))


@contextmanager
def own_database() -> Iterator[None]:
    """Let Feast's queries, which ibis runs, have a database of their own in memory, which is closed at the end.

    One that stays open until Python ends is reported as a leak of DuckDB.
    """
    import ibis

    before, database = ibis.options.default_backend, ibis.duckdb.connect()
    ibis.options.default_backend = database
    try:
        yield
    finally:
        ibis.options.default_backend = before
        database.disconnect()
        del database
        gc.collect()


def register(
    client: FeastClient, definition: StoreDefinition, patterns: Mapping[str, str], ttl: timedelta | None
) -> None:
    """Write entity, views and service to the registry, and remove what is there of other names.

    Parameters
    ----------
    client : feast.FeatureStore
    definition : StoreDefinition
    patterns : mapping of str to str
        Absolute pattern of the files of each view: Feast would look for relative ones in the working directory.
    ttl : timedelta or None
    """
    from feast import Entity, FeatureService, FeatureView, Field, FileSource

    key, types = definition.key, _types()
    entity = Entity(
        name=key.name,
        join_keys=[key.name],
        value_type=types[key.kind].to_value_type(),
        description=key.description,
        tags=dict(key.tags),
    )
    views = {}
    for view in definition.views:
        source = FileSource(
            name=f"{view.name}_files",
            path=patterns[view.name],
            timestamp_field=FEATURE_TIME,
            created_timestamp_column=VALID_FROM,
            description=f"Rows of {view.name} by feature time; {VALID_FROM} is when a row can first be served",
        )
        fields = [
            Field(name=c.name, dtype=types[c.kind], description=c.description, tags=dict(c.tags)) for c in view.columns
        ]
        views[view.name] = FeatureView(
            name=view.name,
            entities=[entity],
            schema=[Field(name=key.name, dtype=types[key.kind], description=key.description), *fields],
            source=source,
            ttl=ttl or timedelta(0),
            online=True,
            description=view.description,
            tags=dict(view.tags),
        )
    service = definition.service
    parts = [
        views[view.name][chosen]
        for view in definition.views
        if (chosen := [name for name in view.names if name in service.features])
    ]
    served = FeatureService(name=service.name, features=parts, description=service.description, tags=dict(service.tags))
    old = [view for view in client.list_feature_views() if view.name not in views]
    old += [found for found in client.list_feature_services() if found.name != service.name]
    client.apply(
        [entity, *(view.batch_source for view in views.values()), *views.values(), served],
        objects_to_delete=old,
        partial=not old,
    )


def _types() -> dict[str, Any]:
    from feast import types

    return {
        schema.TEXT: types.String,
        schema.BOOLEAN: types.Bool,
        schema.INTEGER: types.Int32,
        schema.BIGINT: types.Int64,
        schema.FLOAT: types.Float32,
        schema.DOUBLE: types.Float64,
        schema.DECIMAL: types.Decimal,
        schema.DATE: types.UnixTimestamp,
        schema.TIMESTAMP: types.UnixTimestamp,
    }
