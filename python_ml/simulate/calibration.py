"""Fits what the daily hazard amounts to over 30 days; run it after a change of the world's behaviour.

``python -m python_ml.simulate.calibration`` simulates a large world and prints the month coefficients of
:class:`~python_ml.simulate.world.Hazard`: the maximum-likelihood fit of a Bernoulli model with complementary
log-log link (the discrete-time proportional-hazards model; Prentice and Gloeckler, Biometrics 34, 1978).
"""

from __future__ import annotations

import click
import numpy as np

from python_ml.simulate.behaviour import simulate_block
from python_ml.simulate.world import CURVED, DRIVERS, World, month_terms

HORIZON_DAYS = 30
PILOT = World(customers=200_000, months=24, seed=2_024)


def month_outcomes(world: World, blocks: range) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Drivers at the start of each month and what came of them.

    Parameters
    ----------
    world : World
    blocks : range
        Blocks of customers to simulate.

    Returns
    -------
    drivers : ndarray of shape (n, len(DRIVERS))
    left : ndarray of shape (n,)
        1 when the customer left within 30 days, else 0.
    probability : ndarray of shape (n,)
        What the world's present coefficients say.
    """
    parts = []
    for number in blocks:
        block = simulate_block(world, number)
        month, customer, _, probability, drivers = block.truth
        day, end = world.month_starts[month], block.left_day[customer]
        complete = day + HORIZON_DAYS <= world.days
        left = (end >= day) & (end < day + HORIZON_DAYS)
        parts.append((drivers[complete], left[complete].astype(float), probability[complete]))
    drivers, left, probability = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return drivers, left, probability


def fit_cloglog(terms: np.ndarray, left: np.ndarray, rounds: int = 50) -> np.ndarray:
    """Maximum-likelihood coefficients of ``p = 1 - exp(-exp(X b))`` by Fisher scoring with step halving.

    Parameters
    ----------
    terms : ndarray of shape (n, k)
    left : ndarray of shape (n,)
        0 or 1.
    rounds : int
        Most scoring steps.

    Returns
    -------
    ndarray of shape (k + 1,)
        The intercept first.
    """
    design = np.column_stack([np.ones(len(terms)), terms])

    def likelihood(beta: np.ndarray) -> tuple[float, np.ndarray]:
        rate = np.exp(np.clip(design @ beta, -30, 3))
        return float((left * np.log(-np.expm1(-rate)) - (1 - left) * rate).mean()), rate

    beta = np.zeros(design.shape[1])
    beta[0] = np.log(-np.log1p(-left.mean()))
    best, rate = likelihood(beta)
    for _ in range(rounds):
        odds = rate / -np.expm1(-rate)  # d log-likelihood / d eta = (left - p) * odds
        score = design.T @ ((left + np.expm1(-rate)) * odds)
        information = (design * (rate * odds * np.exp(-rate))[:, None]).T @ design
        step = np.linalg.solve(information, score)
        value, rate_there = likelihood(beta + step)
        while value < best and np.abs(step).max() > 1e-9:
            step /= 2
            value, rate_there = likelihood(beta + step)
        beta, best, rate = beta + step, value, rate_there
        if np.abs(step).max() < 1e-9:
            break
    return beta


def main() -> None:
    """Print the coefficients to put into ``Hazard``."""
    drivers, left, probability = month_outcomes(PILOT, range(PILOT.blocks))
    beta = fit_cloglog(month_terms(drivers.T).T, left)
    click.echo(f"{len(left):,} customer-months, {left.mean():.4f} left, {probability.mean():.4f} expected so far")
    click.echo(f"month_intercept = {beta[0]:.3f}")
    names = [*DRIVERS, *(f"{DRIVERS[index]}_squared" for index in CURVED)]
    for name, value in zip(names, beta[1:], strict=True):
        click.echo(f"  {name:<20} {value:.3f}")


if __name__ == "__main__":
    main()
