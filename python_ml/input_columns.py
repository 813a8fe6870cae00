"""From a gold frame to what a model takes: the same typed columns in training and in scoring."""

from __future__ import annotations

import difflib
import fnmatch
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from python_ml.errors import UserError
from python_ml.portable_model import CATEGORY, finite, typed_values

if TYPE_CHECKING:
    from python_ml.dbt import Feature
    from python_ml.settings import Settings

NUMBER, FLAG = "number", "flag"

# Types of DuckDB, Spark and Databricks, by how they begin.
_KINDS = {
    NUMBER: r"(tiny|small|big|huge|u)?int|integer|long|short|byte|double|float|real|decimal|numeric",
    FLAG: r"bool",
    CATEGORY: r"varchar|string|text|char|enum",
}

_VERBS = {"transform": "transform", "scale": "scale", "encode": "encode", "monotone": "make monotone"}

# A column that says the same of (nearly) everybody cannot tell customers apart.
NEAR_CONSTANT_SHARE = 0.999
NEAR_CONSTANT_ROWS = 5


@dataclass(frozen=True)
class InputColumn:
    """A column that a model takes: its name and its kind (``number``, ``flag`` or ``category``).

    ``transform``, ``scale`` and ``encode`` say how models see it, ``monotone`` in which direction it may move the risk;
    see :class:`python_ml.settings.Features`.
    """

    name: str
    kind: str
    transform: str = "asinh"
    scale: str = "standard"
    encode: str = "one_hot"
    monotone: str = "none"


def kind_of(data_type: str) -> str | None:
    """The kind of a column of a warehouse by its type; None for types that no model takes, such as times."""
    return next((kind for kind, types in _KINDS.items() if re.match(types, data_type.lower())), None)


def typed_columns(frame: pd.DataFrame, features: Sequence[Feature]) -> list[InputColumn]:
    """The feature columns of a training frame with their kinds; keys, times and labels are left out.

    Parameters
    ----------
    frame : pandas.DataFrame
        The training set.
    features : sequence of Feature
        The registry.

    Raises
    ------
    UserError
        When a registered feature is missing from the frame or has a type that no model takes.
    """
    columns = []
    for feature in features:
        if feature.role != "feature":
            continue
        if feature.name not in frame.columns:
            raise UserError(
                f"The feature {feature.name} is registered but not in the training set.",
                where="gold.gld_training_set",
                hint="run `retention build`, so that tables and metadata are of the same build",
            )
        kind = kind_of(feature.data_type)
        if kind is None:
            raise UserError(
                f"The feature {feature.name} has the type {feature.data_type}, which no model takes.",
                where="gold.gld_customer_features",
                hint="make it a number (days since it, for a time), a boolean or a text category",
            )
        columns.append(InputColumn(feature.name, kind))
    if not columns:
        raise UserError(
            "The registry has no features.",
            where="gold.gld_customer_features",
            hint="give at least one column the role `feature` (config.meta.role)",
        )
    return columns


def prepared_as(columns: Sequence[InputColumn], settings: Settings) -> list[InputColumn]:
    """Columns with what ``retention.yml`` says of how models are to see them; ``*`` stands for anything in a name.

    Raises
    ------
    UserError
        When it names something that is no feature, or of another kind.
    """
    chosen = settings.features
    by_name = {column.name: column for column in columns}
    numeric = (NUMBER, FLAG)
    parts = {"transform": numeric, "scale": numeric, "encode": (CATEGORY,), "monotone": numeric}
    for part, kinds in parts.items():
        for pattern, how in getattr(chosen, part).items():
            named = fnmatch.filter(by_name, pattern)
            fitting = [name for name in named if by_name[name].kind in kinds]
            if not fitting and not chosen.excluded([pattern]) and not fnmatch.filter(chosen.exclude, pattern):
                close = difflib.get_close_matches(pattern, list(by_name), n=1)
                raise UserError(
                    f"The feature `{named[0]}` is a {by_name[named[0]].kind}, which there is no way to {_VERBS[part]}."
                    if named
                    else f"There is no feature `{pattern}` to {_VERBS[part]}.",
                    where=settings.where("features", part, pattern),
                    hint=f"did you mean `{close[0]}`?" if close and not named else "delete the line",
                )
            for name in fitting:
                by_name[name] = replace(by_name[name], **{part: how})
    return [by_name[column.name] for column in columns]


def model_input(frame: pd.DataFrame, columns: Sequence[InputColumn], where: str = "the frame") -> pd.DataFrame:
    """Bring columns into the types that the models are fitted on.

    Only types change here; whatever is *learnt* from data (imputation, encoding, scaling) belongs to the
    models' pipelines.

    Parameters
    ----------
    frame : pandas.DataFrame, shape (n_rows, any)
    columns : sequence of InputColumn
    where : str
        Name of the table, for messages.

    Returns
    -------
    pandas.DataFrame, shape (n_rows, n_columns)
        Numbers and flags as float64 with NaN for nulls and infinities, categories as text with NaN for
        nulls; the index is 0 … n_rows - 1.

    Raises
    ------
    UserError
        When columns are missing or hold text where the model was fitted on numbers.
    """
    missing = [column.name for column in columns if column.name not in frame.columns]
    if missing:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        raise UserError(
            f"{len(missing)} feature(s) that the model needs are missing: {shown}.",
            where=where,
            hint="run `retention build` and `retention train`, so that features and model belong together",
        )
    typed = {}
    for column in columns:
        try:
            typed[column.name] = typed_values(frame[column.name], column.kind)
        except (ValueError, TypeError) as error:
            raise UserError(
                f"The feature {column.name} is not a number: {error}.",
                where=where,
                hint="compare its type with the one registered in gld_customer_features",
            ) from error
    return pd.DataFrame(typed, columns=[column.name for column in columns])


def typed_cells(values: Sequence[Any] | np.ndarray, kind: str) -> np.ndarray:
    """The values of a column as of :func:`model_input`, for few rows: without a frame where they are plain.

    Parameters
    ----------
    values : sequence of length n_rows, or numpy.ndarray
    kind : str

    Returns
    -------
    numpy.ndarray, shape (n_rows,)
        As :func:`python_ml.portable_model.typed_values`.

    Raises
    ------
    ValueError, TypeError
        When a number was expected and there is something else.
    """
    if isinstance(values, np.ndarray) and values.dtype == float and kind != CATEGORY:
        return finite(values)
    plain = (str, type(None)) if kind == CATEGORY else (float, int, bool, type(None))
    if not all(type(value) in plain for value in values):
        return typed_values(pd.Series(list(values), dtype=object), kind)
    if kind == CATEGORY:
        return np.array([np.nan if value is None else value for value in values], dtype=object)
    try:
        numbers = np.array([np.nan if value is None else float(value) for value in values])
    except OverflowError as error:
        raise ValueError("a whole number that no float holds") from error
    return finite(numbers)


def informative(frame: pd.DataFrame, columns: Sequence[InputColumn]) -> list[InputColumn]:
    """Leave out columns that are nearly constant, and exact copies of an earlier column.

    Parameters
    ----------
    frame : pandas.DataFrame, shape (n_rows, n_columns)
        Result of :func:`model_input`, training rows only.
    columns : sequence of InputColumn

    Returns
    -------
    list of InputColumn
        In the given order.
    """
    kept, seen = [], set()
    fewest = max(NEAR_CONSTANT_ROWS, (1 - NEAR_CONSTANT_SHARE) * len(frame))
    for column in columns:
        values = frame[column.name]
        commonest = values.value_counts(dropna=False).iloc[0] if len(values) else 0
        if len(values) - commonest < fewest:
            continue
        digest = hashlib.sha256(pd.util.hash_array(values.to_numpy()).tobytes()).digest()
        if digest not in seen:
            seen.add(digest)
            kept.append(column)
    return kept
