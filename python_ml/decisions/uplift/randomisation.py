"""Whether the arms of an experiment look as if they had been drawn at random.

No test proves that they were. These look for what would show that they were not: features that predict the arm, a share
of arms that the stated design would hardly give, and customers who were treated by another draw meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from python_ml.decisions.uplift.experiment_rows import design_probability
from python_ml.input_columns import InputColumn, informative
from python_ml.model.pipelines import linear_preparation, output_sources
from python_ml.stats import auc

if TYPE_CHECKING:
    import pandas as pd

PERMUTATIONS = 499
NOT_BY_CHANCE = 0.002  # for the balance: beyond all permutations
NO_CHANCE_SHARE = 0.0005  # for the share of arms (Fabijan et al. 2019, "Diagnosing sample ratio mismatch", KDD)
MOST_DRAWS = 20_000  # that the balance is tested on
MOST_CONTAMINATED = 0.05
FOLDS = 5
LEAST_DRAWS = 50  # of either arm
SHOWN_DIFFERENCES = 5


@dataclass(frozen=True)
class RandomisationCheck:
    """What an experiment's draws show of how they were made.

    Attributes
    ----------
    verdict : str
        ``randomised`` (not rejected), ``not randomised``, or ``too few draws``.
    reasons : list of str
        Why it is not, one sentence each.
    warnings : list of str
    draws, treated : int
    unit : str
        ``draw``, or ``customer`` where all draws of a customer have the same arm.
    designed_share : float or None
        Mean stated probability of the treated arm.
    share_p : float or None
        Chance of a share of arms at least as far from the design.
    balance : dict
        ``auc`` (can the features predict the arm?) with ``low`` and ``high``, ``p`` (share of ``permutations`` of the
        arms, each fitted anew, with an AUC at least as high).
    differences : list of dict
        The largest standardised mean differences: ``feature``, ``difference``, ``by_chance`` (what the largest of as
        many stays below in 95 of 100 cases).
    contaminated : dict
        Share of draws with another treatment in the outcome window, by arm.
    """

    verdict: str
    draws: int
    treated: int
    unit: str = "draw"
    reasons: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    designed_share: float | None = None
    share_p: float | None = None
    balance: dict[str, Any] = field(default_factory=dict)
    differences: list[dict[str, Any]] = field(default_factory=list)
    contaminated: dict[str, float] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether effects may be called incremental."""
        return self.verdict == "randomised"

    def to_dict(self) -> dict[str, Any]:
        """For ``reports/uplift.json``."""
        return dict(vars(self))


def verify_randomisation(
    inputs: pd.DataFrame,
    columns: Sequence[InputColumn],
    treated: np.ndarray,
    customers: np.ndarray,
    *,
    probability: np.ndarray | float | None = None,
    contaminated: np.ndarray | None = None,
    seed: int = 0,
    permutations: int = PERMUTATIONS,
) -> RandomisationCheck:
    """Look for signs that arms were not drawn at random.

    Parameters
    ----------
    inputs : pandas.DataFrame, shape (n_draws, n_columns)
        What was known before the draws.
    columns : sequence of InputColumn
    treated : numpy.ndarray of int, shape (n_draws,)
    customers : numpy.ndarray, shape (n_draws,)
    probability : numpy.ndarray of shape (n_draws,) or float, optional
        Of the treated arm by design. Where it differs between draws, arms are permuted within draws of equal
        probability (or drawn anew where nearly all differ).
    contaminated : numpy.ndarray of bool, shape (n_draws,), optional
        Draws during whose outcome window the customer was treated by another draw.
    seed : int
    permutations : int

    Returns
    -------
    RandomisationCheck

    Notes
    -----
    The classifier is a cross-fitted ridge regression of the arm on all columns and their squares: its permutations can
    all be fitted at once, so that the p-value is that of the whole procedure, whatever the number of columns.
    """
    treated = np.asarray(treated, dtype=int)
    counts = int(treated.sum()), int(len(treated) - treated.sum())
    if min(counts) < LEAST_DRAWS:
        why = f"{counts[0]:,} treated and {counts[1]:,} control draws; {LEAST_DRAWS} of each are needed"
        return RandomisationCheck("too few draws", len(treated), counts[0], reasons=[why])
    chance = design_probability(treated, probability)
    unit = _unit(treated, customers)
    reasons, warnings = [], []

    share_p = None
    if probability is not None:
        share_p = _share_p(treated, chance, customers if unit == "customer" else np.arange(len(treated)))
        if share_p < NO_CHANCE_SHARE:
            reasons.append(
                f"{treated.mean():.1%} of the draws are treated, where the design says {chance.mean():.1%} "
                f"(p = {share_p:.1g})"
            )
    balance, differences = _balance(inputs, columns, treated, customers, chance, unit, seed, permutations)
    if balance["p"] is not None and balance["p"] <= NOT_BY_CHANCE:
        reasons.append(
            f"features that were known before the draw predict the arm: AUC {balance['auc']:.3f}, above all "
            f"{permutations} permutations; the largest difference is in {differences[0]['feature']}"
        )
    elif balance["p"] is not None and balance["p"] < 0.05:
        warnings.append(f"features predict the arm a little: AUC {balance['auc']:.3f}, p = {balance['p']:.3f}")
    shares = {}
    if contaminated is not None:
        shares = {arm: float(contaminated[treated == code].mean()) for arm, code in (("treated", 1), ("control", 0))}
        if max(shares.values()) > MOST_CONTAMINATED:
            warnings.append(
                f"another treatment falls into the outcome window of {shares['treated']:.1%} of the treated and "
                f"{shares['control']:.1%} of the control draws: the effect of the offer is underestimated"
            )
    return RandomisationCheck(
        verdict="not randomised" if reasons else "randomised",
        draws=len(treated),
        treated=counts[0],
        unit=unit,
        reasons=reasons,
        warnings=warnings,
        designed_share=None if probability is None else float(chance.mean()),
        share_p=share_p,
        balance=balance,
        differences=differences,
        contaminated=shares,
    )


def _unit(treated: np.ndarray, customers: np.ndarray) -> str:
    """Whether arms were drawn per customer: many have several draws, and none has both arms."""
    code = np.unique(customers, return_inverse=True)[1]
    draws, hits = np.bincount(code), np.bincount(code, weights=treated)
    several = draws > 1
    mixed = (hits > 0) & (hits < draws)
    return "customer" if several.sum() >= 20 and not mixed.any() else "draw"


def _share_p(treated: np.ndarray, chance: np.ndarray, units: np.ndarray) -> float:
    """Two-sided p-value of the number of treated units (a sum of Bernoulli draws, by the normal limit)."""
    from statistics import NormalDist

    _, first = np.unique(units, return_index=True)
    deviation = abs(treated[first].sum() - chance[first].sum())
    error = np.sqrt((chance[first] * (1 - chance[first])).sum())
    return float(2 * NormalDist().cdf(-max(deviation - 0.5, 0.0) / error))


def _balance(
    inputs: pd.DataFrame,
    columns: Sequence[InputColumn],
    treated: np.ndarray,
    customers: np.ndarray,
    chance: np.ndarray,
    unit: str,
    seed: int,
    permutations: int,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    rng = np.random.default_rng(seed)
    keys, code = np.unique(customers, return_inverse=True)
    if len(treated) > MOST_DRAWS:
        wanted = rng.permutation(len(keys))
        rows_of = np.cumsum(np.bincount(code)[wanted])
        rows = np.flatnonzero(np.isin(code, wanted[rows_of <= MOST_DRAWS]))
        inputs, treated, chance = inputs.iloc[rows].reset_index(drop=True), treated[rows], chance[rows]
        keys, code = np.unique(customers[rows], return_inverse=True)
    kept = informative(inputs, columns)
    nothing = {"auc": None, "low": None, "high": None, "p": None, "permutations": permutations}
    if not kept:
        return nothing, []
    prepare = linear_preparation(kept, len(inputs))
    z = prepare.fit_transform(inputs[[column.name for column in kept]])
    differences = _differences(z, output_sources(prepare), [column.name for column in kept], treated)
    design = np.hstack([z, np.clip(z, -3, 3) ** 2])
    design = (design - design.mean(axis=0)) / np.maximum(design.std(axis=0), 1e-9)
    design = design[:, design.std(axis=0) > 0.5]  # what is constant stays 0
    arms = np.column_stack([treated, _permuted(treated, chance, code, unit, permutations, rng)]).astype(float)
    fold = (rng.permutation(len(keys)) % FOLDS)[code]
    statistic, predicted = _crossfitted_auc(design, arms, fold)
    if not np.isfinite(statistic[0]):
        return nothing, differences
    measured = auc(predicted, treated, clusters=code, strata=fold)
    p = (1 + int((statistic[1:] >= statistic[0]).sum())) / (1 + permutations)
    return {
        "auc": measured.value,
        "low": measured.low,
        "high": measured.high,
        "p": p,
        "permutations": permutations,
    }, differences


def _permuted(
    treated: np.ndarray, chance: np.ndarray, code: np.ndarray, unit: str, permutations: int, rng: np.random.Generator
) -> np.ndarray:
    """Arms as the design could have given them, shape (n_draws, permutations)."""
    if unit == "customer":
        first = np.unique(code, return_index=True)[1]
        return _permuted(treated[first], chance[first], code[first], "draw", permutations, rng)[code]
    levels, level = np.unique(chance, return_inverse=True)
    if len(levels) > max(20, len(chance) // 20):
        return (rng.random((len(chance), permutations)) < chance[:, None]).astype(np.int8)
    made = np.empty((len(treated), permutations), dtype=np.int8)
    for number in range(len(levels)):
        rows = np.flatnonzero(level == number)
        made[rows] = rng.permuted(np.tile(treated[rows, None].astype(np.int8), permutations), axis=0)
    return made


def _crossfitted_auc(design: np.ndarray, arms: np.ndarray, fold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUC of the ridge regression for each column of arms, within folds, and the predictions for the first one."""
    from scipy.stats import rankdata

    won, pairs = np.zeros(arms.shape[1]), np.zeros(arms.shape[1])
    predicted = np.zeros(len(design))
    for number in range(FOLDS):
        out = fold == number
        x, y = design[~out], arms[~out]
        middle = x.mean(axis=0)
        gram = (x - middle).T @ (x - middle)
        gram[np.diag_indices_from(gram)] += max(0.01 * len(x), x.shape[1])
        weights = np.linalg.solve(gram, (x - middle).T @ (y - y.mean(axis=0)))
        scores = (design[out] - middle) @ weights
        predicted[out] = scores[:, 0]
        ranks, hit = rankdata(scores, axis=0), arms[out]
        n_hit = hit.sum(axis=0)
        won += (ranks * hit).sum(axis=0) - n_hit * (n_hit + 1) / 2
        pairs += n_hit * (out.sum() - n_hit)
    return np.divide(won, pairs, out=np.full(len(won), np.nan), where=pairs > 0), predicted


def _differences(z: np.ndarray, sources: np.ndarray, names: list[str], treated: np.ndarray) -> list[dict[str, Any]]:
    """The largest standardised mean differences, one per feature (Austin 2011, "An introduction to propensity score
    methods", Multivariate Behavioral Research 46)."""
    from statistics import NormalDist

    groups = z[treated == 1], z[treated == 0]
    spread = np.sqrt((groups[0].var(axis=0) + groups[1].var(axis=0)) / 2)
    difference = np.divide(
        groups[0].mean(axis=0) - groups[1].mean(axis=0), spread, out=np.zeros(z.shape[1]), where=spread > 1e-9
    )
    error = np.sqrt(sum(1 / len(group) for group in groups))
    by_chance = NormalDist().inv_cdf(1 - 0.025 / max(z.shape[1], 1)) * error
    largest: dict[str, float] = {}
    for column in np.argsort(-np.abs(difference), kind="stable"):
        largest.setdefault(names[sources[column]], float(difference[column]))
        if len(largest) == SHOWN_DIFFERENCES:
            break
    return [{"feature": name, "difference": value, "by_chance": float(by_chance)} for name, value in largest.items()]
