"""A label of all texts, learnt from those that were given one: logistic regression on embeddings, calibrated."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from python_ml.errors import UserError
from python_ml.stats import estimate, resampled_weights, wilson
from python_ml.text.labelling.sampling import unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray
    from sklearn.calibration import CalibratedClassifierCV

    from python_ml.settings import TextLabel

STRENGTHS = (0.3, 3.0, 30.0, 300.0)  # inverse ones of the penalty; unit vectors ask for large ones
FOLDS, FOLDS_OF_CHOICE = 5, 3
PLACES = 6  # decimals of probabilities and scores
APPLIED_AT_ONCE = 50_000  # texts, for the sake of memory


@dataclass(frozen=True)
class LabelModel:
    """A calibrated multinomial logistic regression on unit vectors.

    Attributes
    ----------
    classes : tuple of str
    coefficients : tuple of tuple of float, shape (n_classes, n_dimensions)
    intercepts : tuple of float, shape (n_classes,)
        Both divided by the temperature already.
    scores : tuple of float or None
        A number for each class.
    """

    classes: tuple[str, ...]
    coefficients: tuple[tuple[float, ...], ...]
    intercepts: tuple[float, ...]
    scores: tuple[float, ...] | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all there is to the model."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """The model as text; :meth:`from_json` reads the very same numbers."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> LabelModel:
        """See :meth:`to_json`."""
        read = json.loads(text)
        return cls(
            tuple(read["classes"]),
            tuple(tuple(row) for row in read["coefficients"]),
            tuple(read["intercepts"]),
            None if read["scores"] is None else tuple(read["scores"]),
        )

    def probabilities(self, embeddings: NDArray) -> NDArray[np.float64]:
        """Calibrated probability of each class, shape (n_texts, n_classes).

        A text gets the same bits whatever other texts come with it: products of matrices do not promise that.
        """
        coefficients, intercepts = np.asarray(self.coefficients), np.asarray(self.intercepts)
        parts = [np.empty((0, len(intercepts)))]
        for first in range(0, len(embeddings), APPLIED_AT_ONCE):
            vectors = unit(embeddings[first : first + APPLIED_AT_ONCE])
            logits = np.column_stack([(vectors * row).sum(axis=1) for row in coefficients]) + intercepts
            odds = np.exp(logits - logits.max(axis=1, keepdims=True))
            parts.append(odds / odds.sum(axis=1, keepdims=True))
        return np.concatenate(parts)

    def apply(self, embeddings: NDArray) -> pd.DataFrame:
        """Label texts.

        Parameters
        ----------
        embeddings : numpy.ndarray, shape (n_texts, n_dimensions)

        Returns
        -------
        pandas.DataFrame, n_texts rows
            ``value``, the likeliest one; its ``probability``; ``score``, the mean of the scores, weighted by the
            probabilities (NaN where the label has no scores). Rounded to six decimals.
        """
        import pandas as pd

        chances = self.probabilities(embeddings)
        best = chances.argmax(axis=1)
        scores = np.full(len(best), np.nan) if self.scores is None else (chances * self.scores).sum(axis=1)
        return pd.DataFrame(
            {
                "value": np.asarray(self.classes, dtype=object)[best],
                "probability": chances.max(axis=1).round(PLACES),
                "score": scores.round(PLACES) + 0.0,  # no -0.0
            }
        )


def learn(
    embeddings: NDArray,
    values: ArrayLike,
    label: TextLabel,
    *,
    least: int = 10,
    seed: int = 0,
    replicates: int = 500,
    where: str | None = None,
) -> tuple[LabelModel, dict[str, Any]]:
    """Fit the classifier of a label, and measure it on texts that it was not fitted on.

    Parameters
    ----------
    embeddings : numpy.ndarray, shape (n_texts, n_dimensions)
        Of texts that were known before the training cutoff.
    values : array_like of str, shape (n_texts,)
        What they were labelled.
    label : TextLabel
    least : int
        Fewer labels of any value are too few.
    seed, replicates : int
    where : str, optional
        For the message.

    Returns
    -------
    tuple of LabelModel and dict
        The model, and the figures of :func:`agreement`.

    Raises
    ------
    UserError
        When a value has fewer labels than ``least``.
    """
    values = np.asarray(values, dtype=object)
    _require(values, label, least, where)
    code = np.array([label.values.index(value) for value in values])
    vectors = unit(embeddings)

    from sklearn.model_selection import StratifiedKFold

    from python_ml.model.calibration import one_thread_each

    held_out = np.zeros((len(code), len(label.values)))
    with one_thread_each():
        folds = StratifiedKFold(_folds(code, FOLDS), shuffle=True, random_state=seed)
        for taught, other in folds.split(vectors, code):
            held_out[other] = _fit(vectors[taught], code[taught], seed).predict_proba(vectors[other])
        fitted = _fit(vectors, code, seed)
    return _plain(fitted, label), agreement(code, held_out, label.values, seed=seed, replicates=replicates)


def _require(values: NDArray, label: TextLabel, least: int, where: str | None) -> None:
    counts = {name: int((values == name).sum()) for name in label.values}
    rare = {name: count for name, count in counts.items() if count < least}
    if rare:
        raise UserError(
            f"Too few labels to learn from: {', '.join(f'{name} has {count}' for name, count in rare.items())}; "
            f"each value needs {least}.",
            where=where,
            hint="label more texts (text.labelling.texts in retention.yml), or join rare values to another one",
        )


def _folds(code: NDArray, most: int) -> int:
    """As many folds as each class has members, up to ``most``."""
    return max(2, min(most, int(np.bincount(code)[np.unique(code)].min())))


def _fit(vectors: NDArray, code: NDArray, seed: int) -> CalibratedClassifierCV:
    """Choose the penalty by log-loss on held-out folds, then a temperature on those of the chosen one.

    Guo, C. et al. (2017), "On calibration of modern neural networks", ICML.
    """
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold

    def folds(most: int) -> StratifiedKFold:
        return StratifiedKFold(_folds(code, most), shuffle=True, random_state=seed)

    search = GridSearchCV(
        LogisticRegression(max_iter=2_000),
        {"C": STRENGTHS},
        scoring="neg_log_loss",
        cv=folds(FOLDS_OF_CHOICE),
        refit=False,
        error_score="raise",
    ).fit(vectors, code)
    chosen = LogisticRegression(max_iter=2_000, **search.best_params_)
    return CalibratedClassifierCV(chosen, method="temperature", cv=folds(FOLDS), ensemble=False).fit(vectors, code)


def _plain(fitted: CalibratedClassifierCV, label: TextLabel) -> LabelModel:
    """The numbers of a fitted model."""
    part = fitted.calibrated_classifiers_[0]
    sharpness = float(part.calibrators[0].beta_)
    coefficients, intercepts = part.estimator.coef_ * sharpness, part.estimator.intercept_ * sharpness
    if len(coefficients) == 1:  # of two classes scikit-learn keeps one row, x, and takes it for the logits (-x, x)
        coefficients, intercepts = np.vstack([-coefficients, coefficients]), np.r_[-intercepts, intercepts]
    return LabelModel(
        classes=tuple(label.values),
        coefficients=tuple(tuple(float(value) for value in row) for row in coefficients),
        intercepts=tuple(float(value) for value in intercepts),
        scores=label.scores,
    )


def agreement(
    given: NDArray, chances: NDArray, classes: Sequence[str], *, seed: int = 0, replicates: int = 500
) -> dict[str, Any]:
    """How well probabilities of held-out texts agree with their labels.

    Parameters
    ----------
    given : numpy.ndarray of int, shape (n_texts,)
        Position of the label in ``classes``.
    chances : numpy.ndarray, shape (n_texts, n_classes)
    classes : sequence of str
    seed, replicates : int

    Returns
    -------
    dict
        ``texts``; ``accuracy`` and Cohen's ``kappa``, each ``{value, low, high}`` over resampled texts;
        ``commonest``, the accuracy of always naming the commonest class; ``mean_probability`` of the chosen class,
        which equals the accuracy where probabilities are calibrated; ``log_loss``; and ``classes``, for each its
        ``labels``, ``predicted`` (counts), ``precision`` and ``recall`` (95 % Wilson intervals).

    Notes
    -----
    Cohen, J. (1960), "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20.
    """
    count, size = len(given), len(classes)
    chosen = chances.argmax(axis=1)
    cell = np.eye(size * size)[given * size + chosen]
    counts = cell.sum(axis=0).reshape(size, size)
    drawn = [(w @ cell).reshape(-1, size, size) for w in resampled_weights(np.arange(count), replicates, seed)]
    resampled = np.concatenate([np.empty((0, size, size)), *drawn])
    own = chances[np.arange(count), given]
    return {
        "texts": count,
        "accuracy": estimate(float(_accuracy(counts)), _accuracy(resampled)),
        "kappa": estimate(float(_kappa(counts)), _kappa(resampled)),
        "commonest": float(counts.sum(axis=1).max() / count),
        "mean_probability": float(chances.max(axis=1).mean()),
        "log_loss": float(-np.log(np.maximum(own, 1e-15)).mean()),
        "classes": {
            name: {
                "labels": int(counts[i].sum()),
                "predicted": int(counts[:, i].sum()),
                "precision": _share(counts[i, i], counts[:, i].sum()),
                "recall": _share(counts[i, i], counts[i].sum()),
            }
            for i, name in enumerate(classes)
        },
    }


def _share(hits: float, of: float) -> Mapping[str, float | None]:
    low, high = wilson(hits, of)
    return estimate(hits / of if of else None) | ({"low": float(low), "high": float(high)} if of else {})


def _accuracy(counts: NDArray) -> NDArray:
    return counts.trace(axis1=-2, axis2=-1) / counts.sum(axis=(-2, -1))


def _kappa(counts: NDArray) -> NDArray:
    """Agreement beyond that of the two margins; NaN where there is none to be had."""
    shares = counts / counts.sum(axis=(-2, -1), keepdims=True)
    by_chance = (shares.sum(axis=-1) * shares.sum(axis=-2)).sum(axis=-1)
    left = 1 - by_chance
    return np.where(left > 1e-12, (_accuracy(counts) - by_chance) / np.where(left > 1e-12, left, 1), np.nan)
