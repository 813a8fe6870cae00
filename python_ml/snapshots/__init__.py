"""Training snapshots: the rows that a model may learn from, immutable, numbered and hashed."""

from python_ml.snapshots.comparison import compare_snapshots
from python_ml.snapshots.creation import create_snapshot
from python_ml.snapshots.opening import open_store

__all__ = ["compare_snapshots", "create_snapshot", "open_store"]
