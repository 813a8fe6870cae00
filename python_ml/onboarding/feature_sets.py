"""The columns that the window models of a project will make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from python_ml.feature_columns import window_feature_columns
from python_ml.onboarding import links

if TYPE_CHECKING:
    from python_ml.feature_columns import FeatureColumn, Measure
    from python_ml.onboarding.specification import SourceSpec


def feature_sets(
    sources: Sequence[SourceSpec], windows: tuple[str, ...]
) -> tuple[tuple[str, tuple[FeatureColumn, ...]], ...]:
    """Columns by the silver model that makes them, in the order of the gold table.

    Parameters
    ----------
    sources : sequence of SourceSpec
    windows : tuple of str
        For sources that do not have windows of their own.
    """
    sets = []

    def add(source: SourceSpec, name: str, measures: tuple[Measure, ...], events: str) -> None:
        # Rows that record a leaving are known only once it has happened.
        risk = "medium" if links.is_outcome(source) else "low"
        own = windows if source.windows is None else source.windows
        columns = window_feature_columns(name, measures, own, events=events, leakage_risk=risk)
        sets.append((f"slv_{name}_windows", tuple(columns)))

    for source in sources:
        if source.use == "events":
            add(source, source.name, source.measures, source.events)
            if source.reversal is not None:
                name = source.reversal.name
                add(source, name, source.reversal.measures, name.replace("_", " "))
        elif source.use == "tenure":
            add(source, source.name, (), source.events)
    return tuple(sets)
