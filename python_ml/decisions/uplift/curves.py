"""Qini and uplift curves, and the areas under them.

Libraries disagree on what they call Qini: some scale by the perfect order, some do not, some count per draw and some
per treated draw. So every figure travels with its formula. Both coefficients here are those of scikit-uplift
(``qini_auc_score`` with ``negative_effect=True``, and ``uplift_auc_score``), to rounding.

References: Radcliffe (2007), "Using control groups to target on predicted lift", Direct Marketing Analytics Journal 1;
Devriendt, Guns and Verbeke (2020), "Learning to rank for uplift modeling", arXiv 2002.05897.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from python_ml.stats import estimate, resampled_weights

FORMULAS = {
    "qini": (
        "(A - D) / (P - D): A = area under Q(k) = R_t(k) - R_c(k) * n_t(k) / n_c(k) over the k draws with the highest "
        "predicted uplift (ties together; R: retained, n: draws, t: treated, c: control); P = the same area in the "
        "perfect order (retained treated first, retained control last); D = area under the diagonal"
    ),
    "auuc": (
        "(A - D) / (P - D): A = area under U(k) = (R_t(k) / n_t(k) - R_c(k) / n_c(k)) * k over the k draws with the "
        "highest predicted uplift (ties together; R: retained, n: draws, t: treated, c: control); P = the same area in "
        "the perfect order; D = area under the diagonal"
    ),
}
CURVES = {"qini": "qini", "auuc": "uplift"}


class Ranking:
    """Draws by descending predicted uplift, sorted once for many resamples.

    Parameters
    ----------
    retained : numpy.ndarray, shape (n_draws,)
        0 or 1.
    uplift : numpy.ndarray, shape (n_draws,)
        Predicted, without NaN; only its order counts.
    treated : numpy.ndarray, shape (n_draws,)
        0 or 1.
    """

    def __init__(self, retained: np.ndarray, uplift: np.ndarray, treated: np.ndarray) -> None:
        self.order = np.argsort(-np.asarray(uplift, dtype=float), kind="stable")
        ranked = np.asarray(uplift, dtype=float)[self.order]
        self.ends = np.r_[np.flatnonzero(np.diff(ranked)), len(ranked) - 1]  # the last draw of each group of ties
        t, y = (np.asarray(values, dtype=float)[self.order] for values in (treated, retained))
        self._parts = (t, t * y, 1 - t, (1 - t) * y)

    def curves(self, weights: np.ndarray | None = None) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The curves under each row of ``weights``.

        Parameters
        ----------
        weights : numpy.ndarray, shape (n_replicates, n_draws), optional
            How often each draw counts, in the order that the draws were given in; default: once.

        Returns
        -------
        draws : numpy.ndarray, shape (n_replicates, n_points)
            How many draws are targeted, from 0.
        values : dict of str to numpy.ndarray, shape (n_replicates, n_points)
            ``qini`` and ``uplift``: retained customers gained among them (see :data:`FORMULAS`).
        """
        weights = np.ones((1, len(self.order))) if weights is None else weights[:, self.order]
        n_t, r_t, n_c, r_c = (np.cumsum(weights * part, axis=1)[:, self.ends] for part in self._parts)
        draws = n_t + n_c
        values = {
            "qini": r_t - r_c * _share(n_t, n_c),
            "uplift": (_share(r_t, n_t) - _share(r_c, n_c)) * draws,
        }
        start = np.zeros((len(draws), 1))
        return np.hstack([start, draws]), {name: np.hstack([start, curve]) for name, curve in values.items()}

    def coefficients(self, weights: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """``qini`` and ``auuc`` under each row of ``weights``; NaN where an arm or one of the outcomes is missing."""
        draws, curves = self.curves(weights)
        weights = np.ones((1, len(self.order))) if weights is None else weights[:, self.order]
        n_t, r_t, n_c, r_c = ((weights * part).sum(axis=1) for part in self._parts)
        perfect = _perfect(r_t, n_t - r_t, r_c, n_c - r_c)
        defined = (n_t > 0) & (n_c > 0) & (r_t + r_c > 0) & (r_t + r_c < n_t + n_c)
        made = {}
        for name, kind in CURVES.items():
            diagonal = draws[:, -1] * curves[kind][:, -1] / 2
            room = np.trapezoid(perfect[kind][1], perfect[kind][0], axis=0) - diagonal
            area = np.trapezoid(curves[kind], draws, axis=1) - diagonal
            made[name] = np.divide(area, room, out=np.full(len(area), np.nan), where=defined & (np.abs(room) > 1e-12))
        return made


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole != 0)


def _perfect(
    r_t: np.ndarray, l_t: np.ndarray, r_c: np.ndarray, l_c: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Points of the perfect curves from the numbers of retained and lost draws per arm; shape (n_points, n)."""
    n_t, n_c = r_t + l_t, r_c + l_c
    everyone, zero = n_t + n_c, np.zeros_like(r_t)
    qini = np.array([zero, r_t, n_t + l_c, everyone]), np.array([zero, r_t, r_t, r_t - r_c * _share(n_t, n_c)])
    first = r_t + l_c
    at_first = (_share(r_t, r_t) - 0) * first
    # The arm that would lose less is taken next, as scikit-uplift does.
    control_next = r_c > l_t
    after = np.where(control_next, first + r_c, first + l_t)
    at_control = (_share(r_t, r_t) - _share(r_c, n_c)) * (first + r_c)
    at_treated = _share(r_t, n_t) * (first + l_t)
    uplift = (
        np.array([zero, r_t, first, after, everyone]),
        np.array(
            [
                zero,
                r_t,
                at_first,
                np.where(control_next, at_control, at_treated),
                (_share(r_t, n_t) - _share(r_c, n_c)) * everyone,
            ]
        ),
    )
    return {"qini": qini, "uplift": uplift}


def qini_auc(retained: np.ndarray, uplift: np.ndarray, treated: np.ndarray) -> float:
    """The Qini coefficient; 0 for a random order, 1 for the perfect one.

    Parameters
    ----------
    retained, treated : numpy.ndarray, shape (n_draws,)
        0 or 1; ``retained`` may be any outcome that an offer should raise.
    uplift : numpy.ndarray, shape (n_draws,)
        Predicted.

    Returns
    -------
    float
        NaN where it is not defined, such as for one arm alone.
    """
    return float(Ranking(retained, uplift, treated).coefficients()["qini"][0])


def judge(
    retained: np.ndarray,
    uplift: np.ndarray,
    treated: np.ndarray,
    customers: np.ndarray,
    *,
    replicates: int = 500,
    seed: int = 0,
) -> dict[str, Any]:
    """Both coefficients, each with a 95 % bootstrap interval by customer.

    Parameters
    ----------
    retained, uplift, treated : numpy.ndarray, shape (n_draws,)
        As of :class:`Ranking`.
    customers : numpy.ndarray, shape (n_draws,)
    replicates : int
        Resampled sets of customers; 0 leaves the intervals out.
    seed : int
        The same seed gives all learners the same resamples.

    Returns
    -------
    dict
        ``qini`` and ``auuc``, each ``{"value", "low", "high"}``, and ``replicates``: the resampled values of ``qini``.
    """
    ranking = Ranking(retained, uplift, treated)
    values = {name: float(value[0]) for name, value in ranking.coefficients().items()}
    parts = [ranking.coefficients(weights) for weights in resampled_weights(customers, replicates, seed)]
    drawn = {name: np.concatenate([part[name] for part in parts]) if parts else np.empty(0) for name in values}
    return {name: estimate(values[name], drawn[name]) for name in values} | {"replicates": drawn["qini"]}


def share_of_truth(truth: np.ndarray, uplift: np.ndarray) -> float | None:
    """How much of what a ranking by the true uplift gains over a random one is gained by this ranking, free of noise.

    Parameters
    ----------
    truth, uplift : numpy.ndarray, shape (n_draws,)
        True and predicted uplift.

    Returns
    -------
    float or None
        Area between the curve of summed true uplift and its diagonal, over the same area for the ranking by the truth.
        None where the truth is the same for all.
    """

    def area(order: np.ndarray) -> float:
        curve = np.r_[0.0, np.cumsum(truth[order])]
        return float(np.trapezoid(curve) - len(truth) * curve[-1] / 2)

    room = area(np.argsort(-truth, kind="stable"))
    return area(np.argsort(-uplift, kind="stable")) / room if room > 1e-12 * len(truth) else None
