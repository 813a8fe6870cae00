"""The code stored with a registered model: conversion of column types, and loading by MLflow without this package.

Training copies this file into the model's folder, so it may import nothing but pandas and numpy. The one rule for types
is here for training, scoring and MLflow alike.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

CATEGORY = "category"
LARGEST = float(np.finfo(np.float32).max)


def typed_values(values: pd.Series, kind: str) -> np.ndarray:
    """Values as models take them.

    Parameters
    ----------
    values : pandas.Series, shape (n_rows,)
    kind : str
        ``category``; any other is a number.

    Returns
    -------
    numpy.ndarray, shape (n_rows,)
        Numbers and flags as float64 with NaN for nulls and infinities (see :func:`finite`), categories as text with
        NaN for nulls.

    Raises
    ------
    ValueError, TypeError
        When a number was expected and there is something else.
    """
    if kind == CATEGORY:
        text = values.astype("object")
        present = text.notna()
        return text.where(present, np.nan).mask(present, text.astype(str)).to_numpy(object)
    if values.dtype == object:  # such as decimals, or flags with nulls
        values = values.where(values.notna(), np.nan)
    numbers = pd.to_numeric(values, errors="raise").astype("Float64").to_numpy(float, na_value=np.nan)
    return finite(numbers)


def finite(numbers: np.ndarray) -> np.ndarray:
    """NaN for infinities, and no number beyond the largest one of 32 bits, which libraries of trees work with."""
    return np.where(np.isfinite(numbers), np.clip(numbers, -LARGEST, LARGEST), np.nan)


class PortableModel:
    """A registered model as ``mlflow.pyfunc`` calls it.

    Parameters
    ----------
    model : sklearn.ensemble.StackingClassifier
        Fitted and calibrated.
    columns : sequence of (name, kind)
        The features of the model.
    """

    def __init__(self, model: Any, columns: Sequence[tuple[str, str]]) -> None:
        self.model, self.columns = model, list(columns)

    def predict(self, frame: pd.DataFrame, params: dict[str, Any] | None = None) -> np.ndarray:
        """Calibrated probabilities of rows of ``gold.gld_scoring_set`` as they are; further columns are ignored.

        Returns
        -------
        numpy.ndarray, shape (n_rows, 2)
            Of being retained and of churning, as ``predict_proba``.

        Raises
        ------
        ValueError
            When a feature is missing.
        """
        missing = [name for name, _ in self.columns if name not in frame.columns]
        if missing:
            raise ValueError(f"{len(missing)} feature(s) that the model needs are missing: {', '.join(missing[:5])}")
        inputs = pd.DataFrame({name: typed_values(frame[name], kind) for name, kind in self.columns})
        return self.model.predict_proba(inputs)


def _load_pyfunc(folder: str) -> PortableModel:
    """Open a model's folder; MLflow calls this."""
    card = json.loads((Path(folder) / "extra_files" / "model_card.json").read_text(encoding="utf-8"))
    model = pickle.loads((Path(folder) / "model.pkl").read_bytes())  # noqa: S301 - whoever loads it trusts the store
    return PortableModel(model, [(column["name"], column["kind"]) for column in card["columns"]])
