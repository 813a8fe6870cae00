"""Where features are published, and for how long they are served."""

from __future__ import annotations

from datetime import timedelta
from pathlib import PurePath
from typing import Annotated, Literal

from pydantic import Field, field_validator

from python_ml.durations import fixed_hours
from python_ml.settings.section import Section, written_as


class DatabricksFeatures(Section):
    """Names in Unity Catalog of the ``databricks`` backend.

    Attributes
    ----------
    location : str or None
        ``catalog.schema`` of the feature tables.
    online_store : str or None
        Online store that the tables are published to.
    endpoint : str or None
        Serving endpoint that answers ``retention features online``.
    """

    location: Annotated[str, written_as(r"[^.]+\.[^.]+", "write catalog and schema, such as main.churn")] | None = None
    online_store: str | None = Field(None, min_length=1)
    endpoint: str | None = Field(None, min_length=1)


class FeatureStoreSettings(Section):
    """The feature store; see docs/guides/feature_store.md."""

    backend: Literal["feast", "databricks"] = "feast"
    folder: str = "feature_store"
    online: str = "online.db"
    ttl: str | None = None
    databricks: DatabricksFeatures = DatabricksFeatures()

    @field_validator("folder", "online")
    @classmethod
    def _inside(cls, value: str) -> str:
        path = PurePath(value)
        if not value.strip() or path.is_absolute() or ".." in path.parts or not path.parts:
            raise ValueError("write a relative path below the project's folder, such as feature_store")
        return value

    @field_validator("ttl")
    @classmethod
    def _duration(cls, value: str | None) -> str | None:
        if value is not None and not fixed_hours(value):
            raise ValueError("write 36h, 90d or 2w, for instance, or null to serve rows of any age")
        return value

    @property
    def time_to_live(self) -> timedelta | None:
        """Age from which on a row is no longer served; None serves rows of any age."""
        return None if self.ttl is None else timedelta(hours=fixed_hours(self.ttl))
