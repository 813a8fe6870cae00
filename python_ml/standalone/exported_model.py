"""A model as plain files: opened, checked and evaluated with NumPy and the library of its trees alone.

Its folder has ``model.json`` (preparation, linear models and calibrations as numbers), ``model_card.json``, one file
per model of trees in the format of LightGBM or XGBoost, and ``manifest.json`` with the SHA-256 of each. Nothing is
unpickled, and no file is read that the manifest does not name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.special

from python_ml.errors import UserError
from python_ml.input_columns import CATEGORY
from python_ml.model.card import ModelCard
from python_ml.model.explain import forest_on_log_odds, margin_on_log_odds, rest_shared
from python_ml.model.pipelines import log_odds

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
MANIFEST, MODEL, CARD = "manifest.json", "model.json", "model_card.json"
LINEAR, LIGHTGBM, XGBOOST, FOREST = "linear", "lightgbm", "xgboost", "random_forest"
THREADS = 2

Values = np.ndarray
# Of prepared rows: contributions, shape (n_rows, n_columns), and the base, shape (n_rows,).
Explained = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class ExportedModel:
    """A model that was exported.

    Attributes
    ----------
    card : ModelCard
    version : int or None
        In the registry of the project; None for a model that was trained by the notebooks.
    members : tuple of Member
        The score is the weighted average of their log-odds.
    """

    card: ModelCard
    version: int | None
    members: tuple[Member, ...]

    @classmethod
    def open(cls, folder: Path | str) -> ExportedModel:
        """Open the files of a model.

        Raises
        ------
        UserError
            When a file is missing, is not in the manifest or differs from what it says, or the format is not known.
        """
        files = verified_files(Path(folder))
        described = json.loads(files[MODEL])
        if described.get("format") != FORMAT:
            raise UserError(f"The model is not of format {FORMAT}.", where=str(Path(folder) / MODEL))
        members = tuple(Member(part, files.get(part["estimator"].get("file"), b"")) for part in described["members"])
        return cls(ModelCard.from_json(files[CARD].decode("utf-8")), described["version"], members)

    def log_odds(self, inputs: pd.DataFrame) -> np.ndarray:
        """Calibrated log-odds of churn, shape (n_rows,); ``inputs`` as :func:`model_input` makes them."""
        return sum(member.weight * member.log_odds(inputs) for member in self.members)

    def probability(self, inputs: pd.DataFrame) -> np.ndarray:
        """Calibrated probability of churn, shape (n_rows,)."""
        return scipy.special.expit(self.log_odds(inputs))

    def contributions(self, inputs: pd.DataFrame) -> np.ndarray:
        """How much each feature moves each row's log-odds, shape (n_rows, n_features): SHAP values."""
        names = [column.name for column in self.card.columns]
        return sum(member.weight * member.contributions(inputs, names, self.card.background) for member in self.members)


class Member:
    """One model with its preparation and its calibration.

    Parameters
    ----------
    described : dict
        Its part of ``model.json``.
    content : bytes
        The file of its trees; empty for a linear model.
    """

    def __init__(self, described: dict[str, Any], content: bytes) -> None:
        self.weight: float = described["weight"]
        self._preparation: list[dict[str, Any]] = described["preparation"]
        self._estimator: dict[str, Any] = described["estimator"]
        self._slope, self._intercept = described["calibration"]["slope"], described["calibration"]["intercept"]
        self._content = content

    def log_odds(self, inputs: pd.DataFrame) -> np.ndarray:
        """Calibrated log-odds, shape (n_rows,)."""
        return self._slope * self._raw(self._prepared(inputs)[0]) + self._intercept

    def contributions(self, inputs: pd.DataFrame, names: list[str], background: tuple[float, ...] | None) -> np.ndarray:
        """Contributions to the calibrated log-odds per feature, shape (n_rows, n_features)."""
        prepared, sources = self._prepared(inputs)
        part, base = self._explained(prepared, background)
        if self._estimator["kind"] != LINEAR:
            part = rest_shared(part, self._raw(prepared) - base)
        gather = np.zeros((len(sources), len(names)))
        gather[np.arange(len(sources)), [names.index(source) for source in sources]] = 1.0
        return self._slope * (part @ gather)

    def _prepared(self, inputs: pd.DataFrame) -> tuple[np.ndarray, list[str]]:
        """The columns that the estimator takes, and the feature that each comes from."""
        parts, sources = [], []
        for block in self._preparation:
            values, names = BLOCKS[block["kind"]](inputs, block)
            parts.append(values)
            sources += names
        return np.column_stack(parts), sources

    def _raw(self, prepared: np.ndarray) -> np.ndarray:
        """Log-odds before the calibration, shape (n_rows,); those of trees as the calibration sees them."""
        kind = self._estimator["kind"]
        if kind == LINEAR:
            return prepared @ np.asarray(self._estimator["coefficients"]) + self._estimator["intercept"]
        if kind == XGBOOST:
            import xgboost

            # XGBoost works in 32 bits; the calibration was learnt from log-odds that were taken in them, too.
            return log_odds(self._booster.predict(xgboost.DMatrix(prepared, nthread=THREADS))).astype(float)
        rows = prepared.astype(np.float32) if kind == FOREST else prepared
        return log_odds(self._booster.predict(rows, num_threads=THREADS))

    def _explained(self, prepared: np.ndarray, background: tuple[float, ...] | None) -> Explained:
        kind = self._estimator["kind"]
        if kind == LINEAR:
            coefficients = np.asarray(self._estimator["coefficients"])
            mean = np.zeros(len(coefficients)) if background is None else np.asarray(background)
            base = self._estimator["intercept"] + coefficients @ mean
            return (prepared - mean) * coefficients, np.full(len(prepared), base)
        if kind == XGBOOST:
            import xgboost

            matrix = xgboost.DMatrix(prepared, nthread=THREADS)
            values = self._booster.predict(matrix, pred_contribs=True).astype(float)
        else:
            rows = prepared.astype(np.float32) if kind == FOREST else prepared
            values = self._booster.predict(rows, pred_contrib=True, num_threads=THREADS)
        rescaled = forest_on_log_odds if kind == FOREST else margin_on_log_odds
        return rescaled(values[:, :-1], values[:, -1])

    @cached_property
    def _booster(self) -> Any:
        """The trees. A forest is kept as LightGBM's trees, whose sum is the average of the forest's."""
        if self._estimator["kind"] == XGBOOST:
            import xgboost

            booster = xgboost.Booster()
            booster.load_model(bytearray(self._content))
            return booster
        import lightgbm

        return lightgbm.Booster(model_str=self._content.decode("utf-8"))


def verified_files(folder: Path) -> dict[str, bytes]:
    """Contents of the files that the manifest names, each of which has the SHA-256 that it says.

    Raises
    ------
    UserError
        When there is no manifest, or a file is missing or differs.
    """
    try:
        listed = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"The model has no readable manifest: {error}.", where=str(folder / MANIFEST)) from error
    files = {}
    for name, digest in listed.items():
        if Path(name).name != name:
            raise UserError("The manifest names a file outside of its folder.", where=str(folder / MANIFEST))
        try:
            content = (folder / name).read_bytes()
        except OSError as error:
            raise UserError(f"A file of the model cannot be read: {error}.", where=str(folder / name)) from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise UserError(
                "A file of the model differs from the one that was exported, so it is not opened.",
                where=str(folder / name),
                hint="restore the file, or export the model again",
            )
        files[name] = content
    return files


def _numbers(inputs: pd.DataFrame, block: dict[str, Any]) -> tuple[np.ndarray, list[str]]:
    """Numbers, through the steps of their block."""
    names = block["columns"]
    values = inputs[names].to_numpy(float)
    for step in block["steps"]:
        values = STEPS[step["kind"]](values, step)
    return values, list(names)


def _gaps(inputs: pd.DataFrame, block: dict[str, Any]) -> tuple[np.ndarray, list[str]]:
    """1 where a number is missing, else 0."""
    names = block["columns"]
    return np.isnan(inputs[names].to_numpy(float)).astype(float).reshape(len(inputs), len(names)), list(names)


def _category(inputs: pd.DataFrame, block: dict[str, Any]) -> tuple[np.ndarray, list[str]]:
    """A category by its row in a table; values that training did not see have one of their own."""
    name, table = block["column"], block["table"]
    unknown, missing = block["unknown"], block["missing"]
    cells = inputs[name].to_numpy(object)
    rows = [missing if cell is None or cell != cell else table.get(str(cell), unknown) for cell in cells]
    width = len(unknown)
    return np.asarray(rows, dtype=float).reshape(len(cells), width), [name] * width


BLOCKS: dict[str, Callable[[Any, dict[str, Any]], tuple[np.ndarray, list[str]]]] = {
    "numbers": _numbers,
    "gaps": _gaps,
    CATEGORY: _category,
}


def _quantile(values: np.ndarray, step: dict[str, Any]) -> np.ndarray:
    """Ranks among the training rows, from 0 to 1, or the normal quantiles of them."""
    references, is_normal = np.asarray(step["references"]), step["normal"]
    ranked = values.copy()
    for position, quantiles in enumerate(np.asarray(step["quantiles"]).T):
        column = values[:, position]
        # The mean of both directions: of equal quantiles, neither the first nor the last.
        forward = np.interp(column, quantiles, references)
        backward = np.interp(-column, -quantiles[::-1], -references[::-1])
        rank = 0.5 * (forward - backward)
        slack = step["slack"] if is_normal else 0.0
        rank = np.where(column + slack > quantiles[-1] if is_normal else column == quantiles[-1], 1.0, rank)
        rank = np.where(column - slack < quantiles[0] if is_normal else column == quantiles[0], 0.0, rank)
        if is_normal:
            rank = np.clip(scipy.special.ndtri(rank), step["lowest"], step["highest"])
        ranked[:, position] = np.where(np.isnan(column), np.nan, rank)
    return ranked


def _yeo_johnson(values: np.ndarray, step: dict[str, Any]) -> np.ndarray:
    """The power transformation of Yeo and Johnson (2000)."""
    powered = np.empty_like(values)
    for position, power in enumerate(step["powers"]):
        x = values[:, position]
        up, down = np.maximum(x, 0), np.maximum(-x, 0)
        if abs(power) < np.spacing(1.0):
            positive = np.log1p(up)
        else:
            positive = np.expm1(power * np.log1p(up)) / power
        if abs(power - 2) < np.spacing(1.0):
            negative = -np.log1p(down)
        else:
            negative = -np.expm1((2 - power) * np.log1p(down)) / (2 - power)
        powered[:, position] = np.where(x >= 0, positive, negative)
    return powered


def _filled(values: np.ndarray, step: dict[str, Any]) -> np.ndarray:
    """The stored value in place of a missing one."""
    return np.where(np.isnan(values), np.asarray(step["values"], dtype=float), values)


def _scaled(values: np.ndarray, step: dict[str, Any]) -> np.ndarray:
    return (values - np.asarray(step["center"])) / np.asarray(step["scale"])


STEPS: dict[str, Callable[[Values, dict[str, Any]], Values]] = {
    "fill": _filled,
    "arcsinh": lambda values, step: np.arcsinh(values),
    "log1p": lambda values, step: np.log1p(values),
    "clip": lambda values, step: np.clip(values, step["least"], step["most"]),
    "round": lambda values, step: np.round(values, step["decimals"]),
    "quantile": _quantile,
    "yeo_johnson": _yeo_johnson,
    "scale": _scaled,
}
