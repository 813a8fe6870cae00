"""The feature store: features as of any time for training, and the newest ones for serving.

One interface, two backends: Feast in a folder of the project, and Databricks Feature Engineering in Unity Catalog.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from python_ml.feature_store.interface import FeatureStore

if TYPE_CHECKING:
    from python_ml.project import Project

__all__ = ["FeatureStore", "open_feature_store"]


def open_feature_store(project: Project) -> FeatureStore:
    """The feature store that ``retention.yml`` names under ``feature_store.backend``.

    Raises
    ------
    UserError
        When the project's target runs on an engine that the backend does not read.
    """
    from python_ml.warehouse import DUCKDB, require_engine

    if project.settings.feature_store.backend == "feast":
        from python_ml.feature_store.feast_store import FeastStore

        require_engine(project, (DUCKDB,))
        return FeastStore(project)
    from python_ml.feature_store.databricks_store import DatabricksStore

    require_engine(project, ("databricks",))
    return DatabricksStore.of(project)
