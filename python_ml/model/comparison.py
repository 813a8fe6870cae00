"""Champion against challenger, on rows that neither was fitted on, resampled by customer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from python_ml.dbt import TRAINING_SET
from python_ml.errors import UserError
from python_ml.formatting import METRIC_TITLES
from python_ml.input_columns import model_input
from python_ml.model.calibration import probabilities
from python_ml.model.evaluate import LIFT_SHARE, better, evaluate, paired_differences
from python_ml.model.fitted_features import require_same_components
from python_ml.model.held_out import hashes
from python_ml.model.sensitive import sensitive_groups, why_not_judged

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.ensemble import StackingClassifier

    from python_ml.model.card import ModelCard
    from python_ml.model.dataset import TrainingSet
    from python_ml.settings import Settings

LEAST_EVENTS = 10  # rows of the rarer class: with fewer, hardly any difference is beyond noise
RESAMPLES = 500  # where the settings leave out intervals
# The variables that say what a churned customer is. Windows and steps change the rows, not the question.
OUTCOME = (
    "entity", "churn_definition", "horizon", "gap", "grace", "active_window", "scenario", "target", "churned_values"
)  # fmt: skip


@dataclass(frozen=True)
class Contender:
    """A model that is champion, or would be.

    Attributes
    ----------
    version : int
    model : sklearn.ensemble.StackingClassifier
    card : ModelCard
    dataset_sha256 : str or None
        Of the rows that it was trained on.
    definitions : mapping or None
        What churn meant then; None where nothing says so.
    held_out : pandas.DataFrame or None
        Of :func:`python_ml.model.held_out.held_out_scores`.
    """

    version: int
    model: StackingClassifier
    card: ModelCard
    dataset_sha256: str | None
    definitions: Mapping[str, Any] | None = None
    held_out: pd.DataFrame | None = None


@dataclass(frozen=True)
class Decision:
    """Whether a version becomes champion, and why.

    Attributes
    ----------
    promoted : bool
    reason : str
    figures : dict
        ``metric``, ``rows``, ``customers``, ``excluded_rows`` (of the challenger's held-out rows, those that the
        champion may have been fitted on), ``challenger`` and ``champion`` (values), ``difference`` with ``low`` and
        ``high`` (positive: the challenger is better), ``calibration`` and ``fairness``. Empty where nothing was
        compared.
    """

    promoted: bool
    reason: str
    figures: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def outcome_definitions(definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Those of dbt's variables that say what a churned customer is."""
    return {name: definitions[name] for name in OUTCOME if definitions.get(name) is not None}


def decide(challenger: Contender, champion: Contender, rows: TrainingSet, settings: Settings) -> Decision:
    """Decide whether a version replaces the champion.

    Parameters
    ----------
    challenger, champion : Contender
    rows : TrainingSet
        Labelled rows as they are now.
    settings : Settings
        ``registry.promotion``, and ``training`` for seed and resamples.
    """
    for contender, promoted in ((challenger, False), (champion, True)):
        changes = _other_question(contender, rows.definitions)
        if changes:
            return Decision(promoted, f"version {contender.version} predicts another outcome: {changes}")
    scores = []
    for contender, promoted in ((challenger, False), (champion, True)):
        try:
            scores.append(unseen_scores(contender, rows))
        except UserError as error:
            return Decision(promoted, f"version {contender.version} cannot score the current columns: {error.what}")
    return _compared(challenger, champion, (scores[0], scores[1]), rows, settings)


def unseen_scores(contender: Contender, rows: TrainingSet) -> NDArray[np.float64]:
    """Probabilities of the rows that a model was certainly not fitted on, shape (n_rows,); NaN for the others.

    Of the rows that it was trained with, these are its test rows (or all rows, each scored by models that were fitted
    without its customer). Of other rows, they are those from the end of all its labels on; without feature times,
    those of customers who were not there.

    Raises
    ------
    UserError
        When it cannot score rows with these columns.
    """
    frame, card = rows.frame, contender.card
    require_same_components(card, {feature.fit for feature in rows.features})
    customers, keys = hashes(frame, rows.entity)
    kept = contender.held_out
    if kept is not None and rows.sha256 is not None and contender.dataset_sha256 == rows.sha256:
        return pd.Series(kept["probability"].to_numpy(), index=kept["row"].to_numpy()).reindex(keys).to_numpy(float)
    columns = card.inputs
    model_input(frame.head(0), columns, where=TRAINING_SET)
    scores = np.full(len(frame), np.nan)
    last, before = card.fitted_on.get("to"), card.fitted_on.get("before")
    if before is None and last is not None and card.label.get("span"):
        before = pd.Timestamp(last) + pd.Timedelta(card.label["span"])
    if before is not None:
        clean = (frame["feature_timestamp"] >= pd.Timestamp(before)).to_numpy()
    elif last is None and kept is not None:
        clean = ~np.isin(customers, kept["customer"].to_numpy())
    else:
        return scores
    if clean.any():
        inputs = model_input(frame[clean], columns, where=TRAINING_SET)
        scores[clean] = probabilities(contender.model, inputs)
    return scores


def _other_question(contender: Contender, definitions: Mapping[str, Any]) -> str:
    """How a model's outcome differs from that of the rows; empty where it does not."""
    now = outcome_definitions(definitions)
    then = contender.definitions
    if then is None:  # registered by an earlier version of this package, which kept horizon and gap alone
        then = {name: contender.card.label.get(name) or now.get(name) for name in ("horizon", "gap")}
        now = {name: value for name, value in now.items() if name in then}
    changed = [name for name in OUTCOME if _text(then.get(name)) != _text(now.get(name))]
    return ", ".join(f"{name} {_text(then.get(name))}, now {_text(now.get(name))}" for name in changed)


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "not set" if value is None else str(value)


def _compared(
    challenger: Contender, champion: Contender, scores: tuple[NDArray, NDArray], rows: TrainingSet, settings: Settings
) -> Decision:
    promotion, training = settings.registry.promotion, settings.training
    common = np.isfinite(scores[0]) & np.isfinite(scores[1])
    excluded = int(np.isfinite(scores[0]).sum() - common.sum())
    churned = rows.frame["churned"].to_numpy(float)[common]
    customers = rows.frame[rows.entity].to_numpy()[common]
    pair = scores[0][common], scores[1][common]
    metric = promotion.metric
    figures: dict[str, Any] = {
        "metric": metric,
        "rows": len(churned),
        "customers": len(np.unique(customers.astype(str))),
        "excluded_rows": excluded,
    }
    left_out = (
        f"; {excluded:,} further rows were excluded, since version {champion.version} may have been fitted on them"
        if excluded
        else ""
    )
    rarer = int(min(churned.sum(), len(churned) - churned.sum()))
    if rarer < LEAST_EVENTS:
        return Decision(
            False,
            f"only {len(churned):,} rows ({rarer} of the rarer outcome) can compare it with version "
            f"{champion.version}: neither model may have been fitted on them{left_out}",
            figures,
        )
    measured = [evaluate(churned, one, customers, metrics=[metric, "ece"], replicates=0) for one in pair]
    values, errors = ([one[name]["value"] for one in measured] for name in (metric, "ece"))
    resamples = training.bootstrap_replicates or RESAMPLES
    drawn = paired_differences(churned, pair, customers, [metric, "ece"], replicates=resamples, seed=training.seed)
    low, high = np.nanquantile(drawn[metric], [1 - promotion.confidence, promotion.confidence])
    figures |= {
        "challenger": values[0],
        "champion": values[1],
        "difference": float(better(metric, *values)),
        "low": float(low),
        "high": float(high),
        "calibration": {"challenger": errors[0], "champion": errors[1]},
    }
    faults = []
    if not low > promotion.margin:
        beyond = f" by {promotion.margin:g}" if promotion.margin else ""
        faults.append(f"it is not better{beyond} in {promotion.confidence:.0%} of the resampled customers")
    if _is_worse(errors[0] - errors[1], -drawn["ece"], promotion.calibration_tolerance, promotion.confidence):
        faults.append(
            f"its calibration error is worse ({errors[0]:.3f} against {errors[1]:.3f}, beyond the tolerance of "
            f"{promotion.calibration_tolerance:g})"
        )
    fairness, unfair = _fairness(pair, churned, customers, rows.frame[common], settings, resamples)
    if fairness:
        figures["fairness"] = fairness
    said = (
        f"{METRIC_TITLES[metric]} {values[0]:.3f} against {values[1]:.3f} of version {champion.version} (difference "
        f"{figures['difference']:+.3f}, {promotion.confidence:.0%} bounds {low:+.3f} to {high:+.3f}) on "
        f"{len(churned):,} rows that neither was fitted on"
    )
    faults += unfair
    return Decision(not faults, said + "".join(f"; {fault}" for fault in faults) + left_out, figures)


def _is_worse(difference: float, drawn: NDArray, tolerance: float, confidence: float) -> bool:
    """Whether something grew by more than is tolerated, and not by chance."""
    return bool(difference > tolerance and np.nanquantile(drawn, 1 - confidence) > 0)


def _fairness(
    pair: tuple[NDArray, NDArray],
    churned: NDArray,
    customers: NDArray,
    frame: pd.DataFrame,
    settings: Settings,
    resamples: int,
) -> tuple[dict[str, Any], list[str]]:
    """Gap of either model between the groups of each column declared sensitive, and what got worse."""
    promotion, least = settings.registry.promotion, settings.fairness.least_customers
    figures, faults = {}, []
    for name in settings.fairness.sensitive:
        if name not in frame:
            continue
        labels, codes = np.unique(sensitive_groups(frame, name, settings), return_inverse=True)
        judged = np.array(
            [why_not_judged(churned[codes == k], customers[codes == k], least) is None for k in range(len(labels))]
        )
        if judged.sum() < 2:
            continue
        kept = judged[codes]
        groups = np.unique(codes[kept], return_inverse=True)[1]
        gaps = [
            equalised_odds_gap(
                one[kept], churned[kept], groups, customers[kept], replicates=resamples, seed=settings.training.seed
            )
            for one in pair
        ]
        now, before = (float(gap[0]) for gap in gaps)
        figures[name] = {"challenger": now, "champion": before}
        if _is_worse(now - before, gaps[0][1:] - gaps[1][1:], promotion.fairness_tolerance, promotion.confidence):
            faults.append(
                f"its equalised odds differ more between groups of {name} ({now:.3f} against {before:.3f}, beyond the "
                f"tolerance of {promotion.fairness_tolerance:g})"
            )
    return figures, faults


def equalised_odds_gap(
    scores: NDArray, churned: NDArray, groups: NDArray, customers: NDArray, *, replicates: int = 0, seed: int = 0
) -> NDArray[np.float64]:
    """Greatest difference between groups in the share of churned, or of retained, rows among the tenth at highest risk.

    Equalised odds: Hardt, Price & Srebro 2016, "Equality of opportunity in supervised learning".

    Parameters
    ----------
    scores, churned, customers : numpy.ndarray, shape (n_rows,)
    groups : numpy.ndarray of int, shape (n_rows,)
        Codes from 0.
    replicates, seed : int
        Resampled customers.

    Returns
    -------
    numpy.ndarray, shape (1 + replicates,)
        On the rows as they are, then in each resample.
    """
    flagged = scores >= np.quantile(scores, 1 - LIFT_SHARE)
    keys, of = np.unique(customers.astype(str), return_inverse=True)
    drawn = np.random.default_rng(seed).multinomial(len(keys), np.full(len(keys), 1 / len(keys)), size=replicates)
    weights = np.vstack([np.ones((1, len(keys))), drawn])
    gaps = []
    for outcome in (1, 0):
        cells = of * (groups.max() + 1) + groups
        size = len(keys) * (groups.max() + 1)
        counted = [
            np.bincount(cells, weights=(churned == outcome) * which, minlength=size).reshape(len(keys), -1)
            for which in (flagged, np.ones(len(flagged)))
        ]
        with np.errstate(invalid="ignore", divide="ignore"):
            rates = (weights @ counted[0]) / (weights @ counted[1])
        known = np.isfinite(rates)
        highest = np.where(known, rates, -np.inf).max(axis=1)
        lowest = np.where(known, rates, np.inf).min(axis=1)
        gaps.append(np.where(known.any(axis=1), highest - lowest, 0.0))
    return np.maximum(*gaps)
