"""Feast's online store interface over :class:`OnlineFeatures`, so that its server and its clients read the same rows.

Feast's own SQLite store keeps a row per customer and feature, writes them one by one, keeps times in whole seconds of
the local zone, and serves rows of any age.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from feast import Entity, FeatureView, RepoConfig
from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import FeastConfigBaseModel
from feast.type_map import python_values_to_proto_values

from python_ml.feature_store.online import OnlineFeatures
from python_ml.feature_store.schema import PRESENT

_READ_ONLY = "rows are written by `retention features publish` and `retention features push` only"


class ChurnOnlineStoreConfig(FeastConfigBaseModel):
    """What ``feature_store.yaml`` says of the online store."""

    type: str = "python_ml.feature_store.feast_online_store.ChurnOnlineStore"
    path: str
    ttl_hours: float | None = None


class ChurnOnlineStore(OnlineStore):
    """Serves what was published; see :class:`python_ml.feature_store.online.OnlineFeatures`."""

    _features: OnlineFeatures | None = None

    def _opened(self, config: RepoConfig) -> OnlineFeatures:
        if self._features is None:
            path = Path(config.online_store.path)
            hours = config.online_store.ttl_hours
            ttl = None if hours is None else timedelta(hours=hours)
            self._features = OnlineFeatures(path if path.is_absolute() else Path(config.repo_path) / path, ttl)
        return self._features

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[tuple[datetime | None, dict[str, Value] | None]]:
        """Rows of a view by key; those that are absent or stale have no values, which clients see as NOT_FOUND."""
        names = requested_features or [field.name for field in table.features]
        ids = [_key(entity_key) for entity_key in entity_keys]
        rows = self._opened(config).rows(ids, names)
        served = [row for row in rows if row.status == PRESENT]
        kinds = {field.name: field.dtype.to_value_type() for field in table.features}
        columns = {
            name: python_values_to_proto_values([_plain(row.values[name]) for row in served], kinds[name])
            for name in names
        }
        values = iter([{name: columns[name][place] for name in names} for place in range(len(served))])
        return [
            (
                None if row.feature_timestamp is None else row.feature_timestamp.replace(tzinfo=UTC),
                next(values) if row.status == PRESENT else None,
            )
            for row in rows
        ]

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[tuple[EntityKey, dict[str, Value], datetime, datetime | None]],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Refuse: rows that Feast writes would be in no file, and gone with the next publish."""
        raise NotImplementedError(_READ_ONLY)

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        """Do nothing: ``publish`` makes what it writes to."""

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Delete the online rows; ``publish`` makes them again."""
        path = self._opened(config).path
        self._opened(config).close()
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def _key(entity_key: EntityKey) -> Any:
    value = entity_key.entity_values[0]
    return getattr(value, value.WhichOneof("val"))


def _plain(value: Any) -> Any:
    """A value as Feast takes it: it has no dates."""
    return datetime.combine(value, time()) if isinstance(value, date) and not isinstance(value, datetime) else value
