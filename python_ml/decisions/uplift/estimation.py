"""From draws to estimates of uplift: fitted on earlier draws, chosen out of fold, evaluated on later ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pandas as pd
from scipy.special import expit

from python_ml.decisions.uplift.catalogue import SIMPLICITY, make_learner
from python_ml.decisions.uplift.curves import Ranking, judge, share_of_truth
from python_ml.decisions.uplift.learners import Learner, TLearner, outcome_pipeline
from python_ml.decisions.uplift.policy import (
    PolicyScores,
    aipw_scores,
    effect_by_group,
    effect_line,
    mean_by_customer,
    policy_values,
)
from python_ml.decisions.uplift.prognosis import COLUMN, PROGNOSIS, learn_prognosis
from python_ml.decisions.uplift.sleeping_dogs import sleeping_dogs
from python_ml.decisions.uplift.split import LEAST_TESTED, UpliftSplit, split_draws
from python_ml.errors import UserError
from python_ml.input_columns import informative
from python_ml.model.calibration import THREADS, one_thread_each
from python_ml.model.folds import customer_folds

if TYPE_CHECKING:
    from python_ml.decisions.uplift.draws import Draws
    from python_ml.decisions.uplift.experiment_rows import Experiment
    from python_ml.decisions.uplift.policy import EffectLine
    from python_ml.decisions.uplift.prognosis import History, Prognosis
    from python_ml.input_columns import InputColumn
    from python_ml.settings import Uplift

ORACLE, RANDOM = "oracle", "random"
LEAST_EVENTS = 20  # churned draws of either arm among those that are fitted
GROUPS = 10


@dataclass(frozen=True)
class UpliftResult:
    """What the draws say.

    Attributes
    ----------
    learner : str
        The chosen one.
    figures : dict
        As ``reports/uplift.json``.
    curves : pandas.DataFrame
        As ``gold.gld_uplift_curves``.
    line : EffectLine
        What predictions of the learner are worth.
    model : Learner
        The learner fitted on all draws, for new customers.
    columns : list of InputColumn
        What it takes.
    prognosis : Prognosis or None
        What makes its column :data:`~python_ml.decisions.uplift.prognosis.PROGNOSIS`.
    """

    learner: str
    figures: dict[str, Any]
    curves: pd.DataFrame
    line: EffectLine
    model: Learner
    columns: list[InputColumn] = field(default_factory=list)
    prognosis: Prognosis | None = None

    def estimates(self, inputs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Uplift with its 95 % interval for customers, each of shape (n_rows,).

        An offer cannot prevent more churn than there is: where the history says how likely a customer is to churn, all
        three stay below.
        """
        return self._estimated(self._prepared(inputs))

    def estimates_with_odds(self, inputs: pd.DataFrame) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
        """As :meth:`estimates`, and the odds of churn with an offer over those without, shape (n_rows,).

        The odds ratio is NaN where the learner has no such factor.
        """
        prepared = self._prepared(inputs)
        if not hasattr(self.model, "odds_ratio"):
            return self._estimated(prepared), np.full(len(inputs), np.nan)
        with one_thread_each():
            return self._estimated(prepared), self.model.odds_ratio(prepared[self._names])

    @property
    def _names(self) -> list[str]:
        return [column.name for column in self.columns]

    def _prepared(self, inputs: pd.DataFrame) -> pd.DataFrame:
        """The inputs with a prognosis, where there is one."""
        if self.prognosis is None:
            return inputs
        with one_thread_each():
            return inputs.assign(**{PROGNOSIS: self.prognosis.of(inputs)})

    def _estimated(self, prepared: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        with one_thread_each():
            value, low, high = self.line.at(self.model.effect(prepared[self._names]))
        if self.prognosis is None:
            return value, low, high
        risk = expit(prepared[PROGNOSIS].to_numpy())
        return np.minimum(value, risk), np.minimum(low, risk), np.minimum(high, risk)


def estimate_uplift(
    draws: Draws,
    settings: Uplift,
    *,
    seed: int = 0,
    replicates: int = 500,
    truth: np.ndarray | None = None,
    history: History | None = None,
    progress: Callable[[str], None] = lambda message: None,
) -> UpliftResult:
    """Fit the learners, choose one, measure it, and fit it again on all draws.

    Every learner is cross-fitted by customer on the fitted draws; the best Qini coefficient out of fold wins, or that
    of a simpler learner which it does not beat by more than a standard error. The test draws choose nothing.

    Parameters
    ----------
    draws : Draws
        Verified by :func:`python_ml.decisions.uplift.randomisation.verify_randomisation`.
    settings : python_ml.settings.Uplift
    seed : int
    replicates : int
        Resampled sets of customers behind the intervals of coefficients.
    truth : numpy.ndarray, shape (n_draws,), optional
        True uplift of each draw in a simulated world, for the oracle's line.
    history : History, optional
        Labelled rows of all customers, from which the draws get a prognosis: by models that have not seen the customer,
        nor, for the figures, any outcome that was known only after the test began.
    progress : callable, optional
        Called with what is being done.

    Raises
    ------
    UserError
        When there are too few draws or events to fit.
    """
    everything = draws.experiment
    split = split_draws(draws.drawn_at, draws.known_at, everything.customers, everything.treated, settings, seed)
    fitted, tested = everything.take(split.fit), everything.take(split.test)
    _check_size(fitted, tested)
    offered, prognosis = draws.columns, None
    if history is not None:
        progress("prognosis by the history of all customers")
        fitted, tested, everything, prognosis = _with_prognosis(history, split, everything, seed)
        offered = [*offered, COLUMN] if prognosis else offered
    columns = informative(fitted.inputs, offered)
    names = [column.name for column in columns]
    fitted, tested, everything = (part.with_columns(names) for part in (fitted, tested, everything))
    folds = customer_folds(fitted.customers, (1 - fitted.retained).astype(int), settings.folds, seed)

    learners = sorted(settings.learners, key=SIMPLICITY.index)
    out_of_fold, on_test = {}, {}
    with one_thread_each():
        for name in learners:
            progress(f"{name}: {len(folds)} folds of {len(fitted):,} draws")
            out_of_fold[name] = cross_fit(lambda name=name: make_learner(name, columns, seed), fitted, folds)
            on_test[name] = make_learner(name, columns, seed).fit(fitted).effect(tested.inputs)
        progress("policies and groups")
        chances_fit = cross_fit_chances(columns, fitted, folds, seed)
        nuisance = TLearner(outcome_pipeline("lightgbm", columns, seed)).fit(fitted)
        chances_test = nuisance.chances(tested.inputs)

    judged = {
        "validation": _judge(fitted, out_of_fold, _part(truth, split.fit), replicates, seed),
        "test": _judge(tested, on_test, _part(truth, split.test), replicates, seed),
    }
    chosen = choose_learner({name: judged["validation"][name] for name in learners})
    progress(f"chosen: {chosen}; fitting it on all draws")
    scores_fit, scores_test = aipw_scores(fitted, chances_fit), aipw_scores(tested, chances_test)
    pooled = PolicyScores(
        np.r_[scores_fit.control, scores_test.control],
        np.r_[scores_fit.treated, scores_test.treated],
        np.concatenate([fitted.customers, tested.customers]),
    )
    line = effect_line(pooled, np.r_[out_of_fold[chosen], on_test[chosen]])
    edges = np.quantile(out_of_fold[chosen], np.linspace(0, 1, GROUPS + 1)[1:-1])
    with one_thread_each():
        model = make_learner(chosen, columns, seed).fit(everything)

    figures = {
        "learner": chosen,
        "split": split.describe(),
        "judged": {
            part: {name: {key: entry[key] for key in ("qini", "auuc")} for name, entry in entries.items()}
            for part, entries in judged.items()
        },
        "mean_effect": {
            "validation": mean_by_customer(scores_fit.effect, fitted.customers).to_dict(),
            "test": mean_by_customer(scores_test.effect, tested.customers).to_dict(),
        },
        "slope": {
            "validation": effect_line(scores_fit, out_of_fold[chosen]).slope.to_dict(),
            "test": effect_line(scores_test, on_test[chosen]).slope.to_dict(),
            "all": line.slope.to_dict(),
        },
        "policies": policy_values(tested, scores_test, 1 - chances_test[0], on_test[chosen], settings.contact_share),
        "contact_share": settings.contact_share,
        "groups": effect_by_group(scores_test, on_test[chosen], edges),
        "sleeping_dogs": sleeping_dogs((fitted, scores_fit), (tested, scores_test), columns),
        "predicted_harm": {
            "share": float((on_test[chosen] < 0).mean()),
            "effect": mean_by_customer(
                scores_test.effect[on_test[chosen] < 0], tested.customers[on_test[chosen] < 0]
            ).to_dict(),
        },
        "churn_rate": {
            arm: float(1 - everything.retained[everything.treated == code].mean())
            for arm, code in (("control", 0), ("treated", 1))
        },
    }
    if truth is not None:
        figures["share_of_truth"] = share_of_truth(truth[split.test], on_test[chosen])
    references = {ORACLE: _part(truth, split.test)} if truth is not None else {}
    curves = pd.concat([_curve(tested, name, uplift) for name, uplift in {**on_test, **references}.items()])
    curves = curves.reset_index(drop=True)
    figures["curve"] = [
        {"learner": name, "targeted": points["targeted"].tolist(), "gain": points["gain"].tolist()}
        for name in (chosen, *references)
        for points in [curves[(curves["learner"] == name) & (curves["curve"] == "qini")]]
    ]
    return UpliftResult(chosen, figures, curves, line, model, columns, prognosis)


def _with_prognosis(
    history: History, split: UpliftSplit, everything: Experiment, seed: int
) -> tuple[Experiment, Experiment, Experiment, Prognosis | None]:
    """The fitted, the tested and all draws with a prognosis each, and the one for new customers."""
    fitted, tested = everything.take(split.fit), everything.take(split.test)
    if split.test_from is None:
        known = ~np.isin(history.customers, tested.customers)
    else:
        known = history.known_at <= split.test_from.to_datetime64()
    with one_thread_each():
        before, now = learn_prognosis(history.take(known), seed), learn_prognosis(history, seed)
        if before is None or now is None:
            return fitted, tested, everything, None

        def given(part: Experiment, values: np.ndarray) -> Experiment:
            return replace(part, inputs=part.inputs.assign(**{PROGNOSIS: values}))

        return (
            given(fitted, before.unseen(fitted.inputs, fitted.customers)),
            given(tested, before.of(tested.inputs)),
            given(everything, now.unseen(everything.inputs, everything.customers)),
            now,
        )


def cross_fit(
    make: Callable[[], Learner], experiment: Experiment, folds: Sequence[tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    """Predicted uplift of each draw by a learner that has not seen its customer, shape (n_draws,).

    All folds get the same mean. A fold in which offers happened to do well is missing from what its learner has seen,
    which so predicts less for it: between folds, predictions would run against outcomes.
    """

    def one(train: np.ndarray, held_out: np.ndarray) -> np.ndarray:
        return make().fit(experiment.take(train)).effect(experiment.inputs.iloc[held_out])

    predicted = np.zeros(len(experiment))
    effects = joblib.Parallel(n_jobs=THREADS)(joblib.delayed(one)(*fold) for fold in folds)
    for (_, held_out), effect in zip(folds, effects, strict=True):
        predicted[held_out] = effect - effect.mean()
    return predicted + float(np.mean(np.concatenate(effects)))


def cross_fit_chances(
    columns: Sequence[InputColumn], experiment: Experiment, folds: Sequence[tuple[np.ndarray, np.ndarray]], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """P(retained) without and with an offer by models that have not seen the customer, each of shape (n_draws,)."""

    def one(train: np.ndarray, held_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        model = TLearner(outcome_pipeline("lightgbm", columns, seed)).fit(experiment.take(train))
        return model.chances(experiment.inputs.iloc[held_out])

    chances = np.zeros((2, len(experiment)))
    made = joblib.Parallel(n_jobs=THREADS)(joblib.delayed(one)(*fold) for fold in folds)
    for (_, held_out), pair in zip(folds, made, strict=True):
        chances[:, held_out] = pair
    return chances[0], chances[1]


def choose_learner(judged: Mapping[str, Mapping[str, Any]]) -> str:
    """The best Qini coefficient, or a simpler learner that is not worse by more than a standard error.

    Parameters
    ----------
    judged : mapping of learner to result of :func:`python_ml.decisions.uplift.curves.judge`
        On the same draws with the same resamples.

    Raises
    ------
    UserError
        When the coefficient is defined for none of them.
    """
    simplest_first = sorted(judged, key=SIMPLICITY.index)
    defined = {name: judged[name]["qini"]["value"] for name in simplest_first}
    defined = {name: value for name, value in defined.items() if value is not None}
    if not defined:
        raise UserError(
            "The Qini coefficient is not defined: one of the arms or of the outcomes is missing.",
            where="retention.yml, uplift",
            hint="wait for more draws whose outcome is known",
        )
    best = max(defined, key=lambda name: defined[name])
    for name in defined:
        difference = judged[best]["replicates"] - judged[name]["replicates"]
        difference = difference[np.isfinite(difference)]
        noise = float(difference.std(ddof=1)) if len(difference) > 1 else 0.0
        if name == best or defined[best] - defined[name] <= noise:
            return name
    return best


def _judge(
    experiment: Experiment, uplift: Mapping[str, np.ndarray], truth: np.ndarray | None, replicates: int, seed: int
) -> dict[str, Any]:
    candidates = {**uplift, RANDOM: np.zeros(len(experiment))}
    if truth is not None:
        candidates[ORACLE] = truth
    return {
        name: judge(
            experiment.retained,
            values,
            experiment.treated,
            experiment.customers,
            replicates=replicates if name != RANDOM else 0,
            seed=seed,
        )
        for name, values in candidates.items()
    }


def _curve(experiment: Experiment, name: str, uplift: np.ndarray, points: int = 101) -> pd.DataFrame:
    """Both curves of one learner, at evenly spaced numbers of draws."""
    draws, values = Ranking(experiment.retained, uplift, experiment.treated).curves()
    at = np.linspace(0, len(experiment), points)
    parts = [
        pd.DataFrame(
            {"learner": name, "curve": kind, "targeted": at / len(experiment), "gain": np.interp(at, draws[0], y[0])}
        )
        for kind, y in values.items()
    ]
    return pd.concat(parts)


def _part(truth: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if truth is None else truth[rows]


def _check_size(fitted: Experiment, tested: Experiment) -> None:
    events = {
        arm: int((1 - fitted.retained)[fitted.treated == code].sum()) for arm, code in (("treated", 1), ("control", 0))
    }
    smallest = min(
        int(min(part.treated.sum(), len(part) - part.treated.sum())) if len(part) else 0 for part in (fitted, tested)
    )
    if smallest < LEAST_TESTED or min(events.values()) < LEAST_EVENTS:
        raise UserError(
            f"There are too few draws to estimate an effect: {len(fitted):,} to fit on, with {events['treated']} "
            f"churned treated and {events['control']} churned control draws, and {len(tested):,} to test on.",
            where="retention.yml, uplift",
            hint=f"at least {LEAST_TESTED} of each arm in both parts and {LEAST_EVENTS} churned of each arm are "
            "needed; wait for more outcomes, or design a larger experiment with `retention experiment`",
        )
