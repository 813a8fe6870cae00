"""The model card: everything about a model, besides its weights, that scoring needs.

It is stored with the model, so that scoring depends neither on dbt's manifest nor on training data.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from python_ml.input_columns import CATEGORY, FLAG, NUMBER, InputColumn
from python_ml.model.near_duplicates import near_duplicates

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.dbt import Feature

FORMAT = 1


@dataclass(frozen=True)
class CardColumn:
    """A feature of the model, with what is typical for it among the training rows.

    Attributes
    ----------
    name, kind : str
        See :class:`python_ml.input_columns.InputColumn`.
    description, source, measure, aggregate, window : str or None
        As registered.
    typical : float, str or None
        Median of a number; commonest value of a flag (1.0 or 0.0) or category; None when never present.
    typical_share : float
        Share of the present values that equal ``typical``.
    missing_share : float
        Share of rows without a value.
    middle : tuple of float, or None
        What bounds the middle fifth of the present values of a number; None for other kinds, and where none is present.
    alike : str or None
        First of the columns that rank customers nearly as this one does; None where there is no other.
    fitted : str or None
        Names the components of texts that the feature is made of, as :attr:`python_ml.dbt.Feature.fit` does.
    ends : tuple of str or None
        What the low and the high end of a component of texts mean.
    """

    name: str
    kind: str
    description: str = ""
    source: str | None = None
    measure: str | None = None
    aggregate: str | None = None
    window: str | None = None
    typical: float | str | None = None
    typical_share: float = 0.0
    missing_share: float = 0.0
    middle: tuple[float, float] | None = None
    alike: str | None = None
    fitted: str | None = None
    ends: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        if self.ends is not None:
            object.__setattr__(self, "ends", tuple(self.ends))
        if self.middle is not None:  # JSON has lists
            object.__setattr__(self, "middle", tuple(self.middle))

    @property
    def column(self) -> InputColumn:
        """What the model takes."""
        return InputColumn(self.name, self.kind)

    @property
    def family(self) -> tuple[str | None, ...]:
        """What the feature has in common with the same measurement over other windows."""
        if self.source and self.aggregate and self.window:
            return (self.source, self.measure, self.aggregate)
        return (self.name,)


@dataclass(frozen=True)
class ModelCard:
    """Description of a trained model.

    Attributes
    ----------
    model : str
        Kind of model, such as ``lightgbm``.
    entity : str
        Key column.
    columns : tuple of CardColumn
        The model's features, in its order.
    risk_bands : dict
        Least probability of the bands ``high`` and ``medium``.
    base_rate : float
        Share of churned rows among those it was fitted on.
    label : dict
        ``span`` from feature time to the label's end; ``horizon`` and ``gap`` where known.
    fitted_on : dict
        ``rows``, ``customers``, ``from``, ``to`` (feature times) and ``before`` (start of the test period).
    calibration : dict
        ``slope`` and ``intercept``: calibrated = slope x raw + intercept, in log-odds.
    background : tuple of float or None
        Mean of each prepared column over the fitted rows, for linear models.
    band_origin : dict or None
        What the bands were derived from; see :class:`python_ml.model.risk_bands.BandThresholds`. None for a model of a
        version that knew bands by rank alone.
    """

    model: str
    entity: str
    columns: tuple[CardColumn, ...]
    risk_bands: dict[str, float]
    base_rate: float
    label: dict[str, str | None]
    fitted_on: dict[str, Any]
    calibration: dict[str, float]
    background: tuple[float, ...] | None = None
    band_origin: dict[str, float | str] | None = None

    @property
    def inputs(self) -> list[InputColumn]:
        """What the model takes, in its order."""
        return [column.column for column in self.columns]

    def to_json(self) -> str:
        """The card as a JSON document."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> ModelCard:
        """Read a card; the inverse of :meth:`to_json`.

        Raises
        ------
        ValueError
            When the document is not a card of a format that this version knows.
        """
        data = json.loads(text)
        if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
            raise ValueError(f"not a model card of format {FORMAT}")
        data["columns"] = tuple(CardColumn(**column) for column in data["columns"])
        if data["background"] is not None:
            data["background"] = tuple(data["background"])
        return cls(**data)


def describe_columns(
    inputs: pd.DataFrame, columns: Sequence[InputColumn], features: Sequence[Feature]
) -> tuple[CardColumn, ...]:
    """Measure what is typical of each column, and attach what the registry says about it.

    Parameters
    ----------
    inputs : pandas.DataFrame, shape (n_rows, any)
        Result of :func:`python_ml.input_columns.model_input`: the rows that the model is fitted on.
    columns : sequence of InputColumn
    features : sequence of Feature
        The registry.
    """
    registered = {feature.name: feature for feature in features}
    alike = near_duplicates(inputs, columns)
    described = []
    for column in columns:
        values = inputs[column.name]
        present = values.dropna()
        typical: float | str | None = None
        if len(present):
            if column.kind in (FLAG, CATEGORY):
                # value_counts orders ties by appearance; sorting first makes the choice the data's own.
                typical = present.sort_values(kind="stable").value_counts(sort=True).index[0]
            else:
                typical = float(present.median())
        feature = registered[column.name]
        described.append(
            CardColumn(
                name=column.name,
                kind=column.kind,
                description=feature.description,
                source=feature.source,
                measure=feature.measure,
                aggregate=feature.aggregate,
                window=feature.window,
                typical=typical if typical is None or column.kind == CATEGORY else float(typical),
                typical_share=float((present == typical).mean()) if len(present) else 0.0,
                missing_share=float(values.isna().mean()) if len(values) else 0.0,
                middle=tuple(present.quantile([0.4, 0.6]).tolist()) if column.kind == NUMBER and len(present) else None,
                alike=alike.get(column.name),
                fitted=feature.fit,
                ends=feature.ends,
            )
        )
    return tuple(described)
