"""Which model becomes champion, and what a reader should be warned of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from python_ml.errors import UserError
from python_ml.leakage import ROW_PROBES
from python_ml.model.ensemble import ENSEMBLE, average, choose_members
from python_ml.model.evaluate import better, evaluate, standard_error_of_difference
from python_ml.model.pipelines import SIMPLICITY

if TYPE_CHECKING:
    from python_ml.settings import Selection

# Of such a ranking by chance alone, over all candidates: with one set of held-out rows, and in each of two.
NO_CHANCE = {1: 0.01, 2: 0.05}
TOO_GOOD = 0.98
FEW_EVENTS_FITTED = 100
FEW_EVENTS_TESTED = 30
SHIFT_OF_ODDS = 1.5


@dataclass(frozen=True)
class Choice:
    """Which model wins, and whom the ensemble averages.

    Attributes
    ----------
    champion : str
        A model, or :data:`python_ml.model.ensemble.ENSEMBLE`.
    members : tuple of str
        Of the ensemble; a single one where no average is better than the best model.
    """

    champion: str
    members: tuple[str, ...]

    @property
    def has_ensemble(self) -> bool:
        """Whether there is an average of several models."""
        return len(self.members) > 1


def choose(
    scores: Mapping[str, np.ndarray], churned: np.ndarray, customers: np.ndarray, settings: Selection, seed: int
) -> Choice:
    """Choose between models and their average, by rows that none of them has seen.

    Parameters
    ----------
    scores : mapping of model to numpy.ndarray, shape (n_rows,)
        Probabilities.
    churned, customers : numpy.ndarray, shape (n_rows,)
    settings : python_ml.settings.Selection
    seed : int
        Of the resamples that tell a difference from noise.

    Raises
    ------
    UserError
        When the metric is defined for no model.
    """
    metric = settings.metric

    def judge(scores: np.ndarray) -> dict[str, Any]:
        return evaluate(churned, scores, customers, metrics=[metric], replicates=0)

    def goodness(scores: np.ndarray) -> float:
        value = judge(scores)[metric]["value"]
        return -np.inf if value is None else better(metric, value, 0.0)

    candidates = dict(scores)
    members = choose_members(scores, goodness) if settings.ensemble else ()
    if len(members) > 1:
        candidates[ENSEMBLE] = average([scores[name] for name in members])

    def noise(best: str, other: str) -> float:
        pair = candidates[best], candidates[other]
        return standard_error_of_difference(churned, pair, customers, metric, seed=seed)

    judged = {name: judge(scores) for name, scores in candidates.items()}
    return Choice(choose_champion(judged, metric, settings.tolerance, noise), members)


def choose_champion(
    validation: Mapping[str, Mapping[str, Any]],
    metric: str,
    tolerance: float,
    noise: Callable[[str, str], float] = lambda best, other: float("inf"),
) -> str:
    """Pick the model with the best validation metric, or a simpler one that it does not beat beyond noise.

    Parameters
    ----------
    validation : mapping of model to metrics
        Results of :func:`python_ml.model.evaluate.evaluate`.
    metric : str
        Among :data:`python_ml.model.evaluate.METRICS`.
    tolerance : float
        What a simpler model may cost at most, in units of the metric; 0 takes the plain best.
    noise : callable, optional
        Standard error of the difference between the best model and another. A simpler model wins only within it (the
        rule of one standard error: Breiman et al. 1984, "Classification and regression trees").

    Raises
    ------
    UserError
        When the metric is defined for no model.
    """
    values = {name: metrics[metric]["value"] for name, metrics in validation.items()}
    defined = {name: value for name, value in values.items() if value is not None}
    if not defined:
        raise UserError(
            f"The metric {metric} is not defined on the validation rows for any model.",
            where="retention.yml, training.selection.metric",
            hint="choose another metric, or a validation period with churned and retained customers",
        )
    simplest_first = sorted(defined, key=(*SIMPLICITY, ENSEMBLE).index)
    best = max(simplest_first, key=lambda name: better(metric, defined[name], 0.0))
    for name in simplest_first:
        behind = better(metric, defined[best], defined[name])
        if behind == 0 or (behind <= tolerance and behind <= noise(best, name)):
            return name
    raise AssertionError("the best model is not behind itself")


def result_warnings(
    test: Mapping[str, Any], fitted: Mapping[str, float], top_driver: str | None, slope: float, is_proven: bool = False
) -> list[str]:
    """Warn of results that should not be believed at first sight.

    Parameters
    ----------
    test : mapping
        The champion's test metrics.
    fitted : mapping
        ``n`` and ``base_rate`` of the rows that the champion was fitted on.
    top_driver : str or None
        The champion's strongest feature.
    slope : float
        Slope of the champion's calibration.
    is_proven : bool
        Whether a replay rebuilt every feature of the champion, so that no figure can be too good.
    """
    warnings = []
    auc = test["roc_auc"]["value"]
    if auc is not None and auc > TOO_GOOD and not is_proven:
        warnings.append(
            f"A test ROC AUC of {auc:.3f} is too good to be true: look for a leak"
            + (f", first at {top_driver}, the strongest driver." if top_driver else ".")
        )
    if auc is None:
        warnings.append("The test period holds only one class: its ROC AUC, PR AUC and lift are not defined.")
    for part, facts, least in (("fitted", fitted, FEW_EVENTS_FITTED), ("test", test, FEW_EVENTS_TESTED)):
        n, rate = facts["n"], facts["base_rate"] or 0.0
        rarer = round(n * min(rate, 1 - rate))
        if rarer < least:
            warnings.append(
                f"Few events: the {part} rows hold {rarer} of the rarer class; below {least}, expect the "
                "metrics to move a lot with every refresh."
            )
    before, after = _odds(fitted["base_rate"]), _odds(test["base_rate"])
    if before and after and not 1 / SHIFT_OF_ODDS < after / before < SHIFT_OF_ODDS:
        warnings.append(
            f"The base rate moved from {fitted['base_rate']:.1%} in the fitted rows to {test['base_rate']:.1%} in "
            "the test period: probabilities may be off, although the order of customers may still hold."
        )
    if slope <= 0:
        warnings.append("On customers it had not seen, the champion ranked no better than chance.")
    return warnings


def no_signal(chance: Mapping[str, float | None]) -> str | None:
    """Say that no signal is shown: outcomes exchanged at random are ranked as well too often.

    Where there are two sets of held-out rows, a signal must show in both. One alone is not enough: customers of the
    validation, which chose the champion, are in the test as well.

    Parameters
    ----------
    chance : mapping of set to float or None
        ``validation`` and ``test``, or ``test`` alone, as from
        :func:`python_ml.model.permutation.chance_of_ranking`; None where it is not defined.
    """
    limit = NO_CHANCE[len(chance)]
    weak = {part: value for part, value in chance.items() if value is not None and value > limit}
    if not weak:
        return None
    return (
        "No signal can be shown: even if scores were unrelated to the outcome, the best model would rank the "
        + " and the ".join(f"{part} rows as well as it does in {value:.1%} of cases" for part, value in weak.items())
        + f" (permutation test; a signal needs {limit:.0%} or less"
        + (" in validation and test)" if len(chance) > 1 else ")")
        + ". Do not act on single scores of this model."
    )


def distrust(test: Mapping[str, Any], accepted: Sequence[str], is_proven: bool = False) -> list[str]:
    """Why the headline metric must not be believed; empty where nothing speaks against it.

    Parameters
    ----------
    test : mapping
        The champion's test metrics.
    accepted : sequence of str
        Columns that are likely to know the outcome, and that the model uses all the same; and probes of rows.
    is_proven : bool
        Whether a replay rebuilt every feature of the champion.
    """
    reasons = []
    used = [name for name in accepted if name not in ROW_PROBES]
    if used:
        columns = ", ".join(f"`{name}`" for name in used)
        reasons.append(
            f"the model uses {columns}, which most likely {'know' if len(used) > 1 else 'knows'} the outcome"
        )
    reasons += [
        f"the leakage probe {name} has a critical finding that was accepted" for name in accepted if name not in used
    ]
    auc = test["roc_auc"]["value"]
    if auc is not None and auc > TOO_GOOD and not is_proven:
        reasons.append(f"a ROC AUC of {auc:.3f} is too good to be true")
    return reasons


def _odds(rate: float | None) -> float | None:
    return None if rate is None or rate in (0.0, 1.0) else rate / (1 - rate)
