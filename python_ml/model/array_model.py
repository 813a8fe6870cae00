"""A champion on arrays: probabilities and contributions of a few rows, without the cost of frames.

scikit-learn prepares a row in tens of milliseconds, most of which go into frames and checks. Here the fitted steps are
applied to arrays: those that are one formula by that formula, categories by a table of what the fitted steps make of
each known value, and all others by themselves. The estimators, the calibration and the explanations are those of
:mod:`python_ml.model.explain`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.special
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, RobustScaler, StandardScaler

from python_ml.input_columns import CATEGORY
from python_ml.model.ensemble import members_of
from python_ml.model.explain import PreparedModel

if TYPE_CHECKING:
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import StackingClassifier

    from python_ml.model.card import ModelCard

    Cells = Mapping[str, np.ndarray]  # by name of column, shape (n_rows,)
    Step = Callable[[np.ndarray], np.ndarray]

TOLERANCE = 1e-12
_UNKNOWN = "\0 no known category"


class ArrayModel:
    """A calibrated model, or an ensemble of them, on arrays.

    Parameters
    ----------
    model : sklearn.ensemble.StackingClassifier
    card : ModelCard

    Attributes
    ----------
    uses_frames : bool
        Whether a preparation has parts that are not known here, so that scikit-learn prepares the rows.
    """

    def __init__(self, model: StackingClassifier, card: ModelCard) -> None:
        self._features = [column.name for column in card.columns]
        self._members = [(weight, _Member(member, card)) for weight, member in members_of(model) or [(1.0, model)]]
        self.uses_frames = any(member.uses_frames for _, member in self._members)

    def explained(self, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
        """Score rows, and say what each feature adds.

        Parameters
        ----------
        cells : mapping of name to numpy.ndarray, shape (n_rows,)
            The model's features; see :func:`python_ml.input_columns.typed_cells`.

        Returns
        -------
        probability : numpy.ndarray, shape (n_rows,)
            As :func:`python_ml.model.calibration.probabilities`, within rounding.
        values : numpy.ndarray, shape (n_rows, n_features)
            As :func:`python_ml.model.explain.contributions`.
        """
        parts = [(weight, *member.explained(cells)) for weight, member in self._members]
        odds = sum(weight * odds for weight, odds, _ in parts)
        return scipy.special.expit(odds), sum(weight * values for weight, _, values in parts)


class _Member:
    """One calibrated pipeline."""

    def __init__(self, model: StackingClassifier, card: ModelCard) -> None:
        self._names = list(model.feature_names_in_)
        self._prepare = model.estimators_[0][0]
        self._prepared_model = PreparedModel(model, card.background, threads=1)  # a thread costs more than a row
        preparation = ArrayPreparation.of(self._prepare)
        agrees = preparation is not None and _agrees(preparation, self._prepare, card)
        self._preparation = preparation if agrees else None

    @property
    def uses_frames(self) -> bool:
        return self._preparation is None

    def explained(self, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
        odds, values, _ = self._prepared_model.explained(self._prepared(cells))
        return odds, values

    def _prepared(self, cells: Cells) -> np.ndarray:
        if self._preparation is not None:
            return self._preparation(cells)
        return np.asarray(self._prepare.transform(pd.DataFrame({n: cells[n] for n in self._names})), dtype=float)


class ArrayPreparation:
    """A fitted preparation of :mod:`python_ml.model.pipelines`, on arrays; made by :meth:`of`."""

    def __init__(self, width: int, blocks: Sequence[tuple[slice, Callable[[Cells], np.ndarray]]]) -> None:
        self._width, self._blocks = width, list(blocks)

    @classmethod
    def of(cls, prepare: ColumnTransformer) -> ArrayPreparation | None:
        """Take a preparation apart; None where it has a part that is not known."""
        blocks: list[tuple[slice, Callable[[Cells], np.ndarray]]] = []
        width = 0
        for name, transformer, inputs in prepare.transformers_:
            where = prepare.output_indices_[name]
            if where.start == where.stop:
                continue
            width = max(width, where.stop)
            block = _category_block(transformer, inputs) if name.startswith("category_") else None
            block = block or _number_block(transformer, inputs)
            if block is None:
                return None
            blocks.append((where, block))
        return cls(width, blocks)

    def __call__(self, cells: Cells) -> np.ndarray:
        """The prepared rows, shape (n_rows, n_prepared)."""
        prepared = np.empty((len(next(iter(cells.values()))), self._width))
        for where, block in self._blocks:
            prepared[:, where] = block(cells)
        return prepared


def _number_block(transformer: Any, names: Sequence[str]) -> Callable[[Cells], np.ndarray] | None:
    steps = [_step(part) for part in (transformer if isinstance(transformer, Pipeline) else [transformer])]
    if any(step is None for step in steps):
        return None
    names = list(names)

    def block(cells: Cells) -> np.ndarray:
        values = np.column_stack([cells[name] for name in names]).astype(float, copy=False)
        for step in steps:
            values = step(values)
        return values

    return block


def _step(part: Any) -> Step | None:
    """A fitted transformer of numbers as a function of arrays."""
    if part == "passthrough":
        return lambda values: values
    if not hasattr(part, "transform"):
        return None
    if type(part) is SimpleImputer and not part.add_indicator and not np.isnan(part.statistics_).any():
        return lambda values: np.where(np.isnan(values), part.statistics_, values)
    if type(part) is MissingIndicator:
        return lambda values: np.isnan(values)[:, part.features_]
    if type(part) is StandardScaler and part.with_mean and part.with_std:
        return lambda values: (values - part.mean_) / part.scale_
    if type(part) is RobustScaler and part.with_centering and part.with_scaling:
        return lambda values: (values - part.center_) / part.scale_
    if type(part) is FunctionTransformer and not part.validate:
        arguments = part.kw_args or {}
        return (lambda values: values) if part.func is None else (lambda values: part.func(values, **arguments))
    # It was fitted on a frame: without the names of its columns it takes an array as well.
    nameless = copy.copy(part)
    vars(nameless).pop("feature_names_in_", None)
    return nameless.transform


def _category_block(transformer: Any, names: Sequence[str]) -> Callable[[Cells], np.ndarray] | None:
    """A table: what the fitted steps make of each known category, of an unknown one, and of none."""
    name = names[0]
    known = next((step.categories_[0] for step in transformer if hasattr(step, "categories_")), None)
    if known is None or len(names) != 1:
        return None
    values = [*(value for value in known if isinstance(value, str)), _UNKNOWN, np.nan]
    rows = np.asarray(transformer.transform(pd.DataFrame({name: pd.Series(values, dtype=object)})), dtype=float)
    unknown, missing = len(values) - 2, len(values) - 1
    place = {value: position for position, value in enumerate(values[:unknown])}

    def block(cells: Cells) -> np.ndarray:
        return rows[[missing if cell is None or cell != cell else place.get(cell, unknown) for cell in cells[name]]]

    return block


def _agrees(preparation: ArrayPreparation, prepare: ColumnTransformer, card: ModelCard) -> bool:
    """Whether rows come out as scikit-learn prepares them: usual ones, empty ones, and some that are far off."""
    used = set(prepare.feature_names_in_)
    columns = [column for column in card.columns if column.name in used]
    rows: dict[str, np.ndarray] = {}
    for place, column in enumerate(columns):
        if column.kind == CATEGORY:
            values = [column.typical if column.typical is not None else np.nan, np.nan, _UNKNOWN, "", "(missing)"]
            rows[column.name] = np.array(values, dtype=object)
        else:
            usual = np.nan if column.typical is None else float(column.typical)
            rows[column.name] = np.array([usual, np.nan, -1.0, 1e9 + place, 0.5 + usual / 3])
    expected = np.asarray(prepare.transform(pd.DataFrame(rows)), dtype=float)
    return np.allclose(preparation(rows), expected, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
