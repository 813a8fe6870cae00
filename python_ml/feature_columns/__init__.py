"""What the macro ``window_features`` will call its columns, known before it runs.

The macro makes columns from a source, measures and windows; this package makes the same names, in the same order,
with their types, plain descriptions and registry metadata, so that YAML can be written (and checked) from one
declaration.
"""

from python_ml.feature_columns.columns import RHYTHM, FeatureColumn, window_feature_columns
from python_ml.feature_columns.comparisons import KINDS, Comparison
from python_ml.feature_columns.measures import AGGREGATES, Measure

__all__ = [
    "AGGREGATES",
    "KINDS",
    "RHYTHM",
    "Comparison",
    "FeatureColumn",
    "Measure",
    "window_feature_columns",
]
