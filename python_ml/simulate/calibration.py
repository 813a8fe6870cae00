"""Fits the 30-day probabilities that follow from the daily hazard; run it after a change of the world's behaviour.

``python -m python_ml.simulate.calibration`` simulates a large world and prints the month and draw coefficients of
:class:`~python_ml.simulate.world.Hazard`: the maximum-likelihood fit of a Bernoulli model with complementary log-log
link (the discrete-time proportional-hazards model; Prentice and Gloeckler, Biometrics 34, 1978).
"""

from __future__ import annotations

import click
import numpy as np
import scipy.optimize

from python_ml.simulate.behaviour import simulate_block
from python_ml.simulate.world import CURVED, DRIVERS, World, month_terms

HORIZON_DAYS = 30
DRAW_BLOCKS = 10  # blocks of the pilot whose draws are enough
PILOT = World(customers=200_000, months=24, seed=2_024)


def month_outcomes(world: World, blocks: range) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Drivers at the start of each month and the outcomes of the month.

    Parameters
    ----------
    world : World
    blocks : range
        Blocks of customers to simulate.

    Returns
    -------
    drivers : ndarray of shape (n, len(DRIVERS))
    churned : ndarray of shape (n,)
        1 if the customer churned within 30 days, else 0.
    probability : ndarray of shape (n,)
        Prediction by the world's present coefficients.
    """
    parts = []
    for number in blocks:
        block = simulate_block(world, number)
        month, customer, _, probability, drivers = block.truth
        day, end = world.month_starts[month], block.churn_day[customer]
        complete = day + HORIZON_DAYS <= world.days
        churned = (end >= day) & (end < day + HORIZON_DAYS)
        parts.append((drivers[complete], churned[complete].astype(float), probability[complete]))
    drivers, churned, probability = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return drivers, churned, probability


def draw_outcomes(world: World, blocks: range) -> tuple[np.ndarray, np.ndarray]:
    """Drivers after each draw for an offer, those of the arm included, and the outcomes of the next 30 days.

    Parameters
    ----------
    world : World
    blocks : range
        Blocks of customers to simulate.

    Returns
    -------
    drivers : ndarray of shape (n, len(DRIVERS))
    churned : ndarray of shape (n,)
        1 if the customer churned within 30 days, else 0.
    """
    parts = []
    for number in blocks:
        block = simulate_block(world, number)
        day, customer, _ = block.offers
        end = block.churn_day[customer]
        complete = day + HORIZON_DAYS < world.days
        churned = (end > day) & (end <= day + HORIZON_DAYS)
        parts.append((block.offer_truth[-1][complete], churned[complete].astype(float)))
    drivers, churned = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return drivers, churned


def fit_cloglog(terms: np.ndarray, churned: np.ndarray) -> np.ndarray:
    """Maximum-likelihood coefficients of ``p = 1 - exp(-exp(X b))``.

    Parameters
    ----------
    terms : ndarray of shape (n, k)
    churned : ndarray of shape (n,)
        0 or 1.

    Returns
    -------
    ndarray of shape (k + 1,)
        The intercept first.
    """
    design = np.column_stack([np.ones(len(terms)), terms])

    def loss(beta: np.ndarray) -> tuple[float, np.ndarray]:
        rate = np.exp(np.clip(design @ beta, -30, 3))
        hit = -np.expm1(-rate)
        likelihood = churned * np.log(hit) - (1 - churned) * rate
        return -likelihood.mean(), -design.T @ ((churned - hit) * rate / hit) / len(design)

    start = np.zeros(design.shape[1])
    start[0] = np.log(-np.log1p(-churned.mean()))
    return scipy.optimize.minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-8}).x


def main() -> None:
    """Print the coefficients to put into ``Hazard``."""
    drivers, churned, probability = month_outcomes(PILOT, range(PILOT.blocks))
    beta = fit_cloglog(month_terms(drivers.T).T, churned)
    click.echo(
        f"{len(churned):,} customer-months, {churned.mean():.4f} churned, {probability.mean():.4f} predicted so far"
    )
    click.echo(f"month_intercept = {beta[0]:.3f}")
    names = [*DRIVERS, *(f"{DRIVERS[index]}_squared" for index in CURVED)]
    drawn, lost = draw_outcomes(PILOT, range(DRAW_BLOCKS))
    after = fit_cloglog(month_terms(drawn.T).T, lost)
    click.echo(f"draw_intercept = {after[0]:.3f} ({len(lost):,} draws, {lost.mean():.4f} churned)")
    for name, month, draw in zip(names, beta[1:], after[1:], strict=True):
        click.echo(f"  {name:<20} {month:.3f} {draw:.3f}")


if __name__ == "__main__":
    main()
