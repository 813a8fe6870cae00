"""Sleeping dogs, customers whom an offer makes more likely to churn: tested on other draws."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from python_ml.decisions.uplift.policy import PolicyScores, mean_by_customer
from python_ml.input_columns import CATEGORY, FLAG, InputColumn

if TYPE_CHECKING:
    from python_ml.decisions.uplift.experiment_rows import Experiment

SUSPECTS = 3
LEAST_DRAWS = 50
SHARES = (0.02, 0.98)  # of the draws that a group may have
TAILS = (0.25, 0.75)
MOST_LEVELS = 12


def sleeping_dogs(
    found_on: tuple[Experiment, PolicyScores],
    confirmed_on: tuple[Experiment, PolicyScores],
    columns: Sequence[InputColumn],
) -> list[dict[str, Any]]:
    """The groups that look most harmed, with what the other draws say of them.

    The groups are those with a value of a category or flag, and the lower and upper quarter of a number. With hundreds
    of groups some look harmed by chance: the suspects are picked on ``found_on``, and what counts is their effect on
    ``confirmed_on``, tested for as many suspects as there are (Bonferroni).

    Parameters
    ----------
    found_on, confirmed_on : (Experiment, PolicyScores)
        Two sets of draws.
    columns : sequence of InputColumn
        Those of the experiments' inputs.

    Returns
    -------
    list of dict
        At most :data:`SUSPECTS`, the most suspicious first: ``group``, ``suspected`` and ``effect`` (mean effect on
        either part with its interval), ``draws`` (on the second part), ``verdict``: ``harmed``, ``not confirmed`` or
        ``too few draws``.
    """
    experiment, scores = found_on
    suspects = []
    for name, member, rule in _groups(experiment.inputs, columns):
        if member.sum() < LEAST_DRAWS or not SHARES[0] <= member.mean() <= SHARES[1]:
            continue
        effect = mean_by_customer(scores.effect[member], scores.customers[member])
        if effect.error > 0 and effect.value < 0:
            suspects.append((effect.value / effect.error, name, rule, effect))
    suspects.sort(key=lambda suspect: suspect[:2])
    chosen, seen = [], set()
    for _, name, rule, effect in suspects:
        column = rule[0]
        if column in seen or len(chosen) == SUSPECTS:
            continue
        seen.add(column)
        chosen.append((name, rule, effect))
    return [_confirmed(name, rule, effect, confirmed_on, len(chosen)) for name, rule, effect in chosen]


def _confirmed(
    name: str, rule: tuple, suspected: Any, confirmed_on: tuple[Experiment, PolicyScores], tests: int
) -> dict[str, Any]:
    from statistics import NormalDist

    experiment, scores = confirmed_on
    member = _members(experiment.inputs, rule)
    effect = mean_by_customer(scores.effect[member], scores.customers[member])
    reach = NormalDist().inv_cdf(1 - 0.025 / tests)
    if member.sum() < LEAST_DRAWS:
        verdict = "too few draws"
    else:
        verdict = "harmed" if effect.value + reach * effect.error < 0 else "not confirmed"
    return {
        "group": name,
        "suspected": suspected.to_dict(),
        "effect": effect.to_dict(),
        "draws": int(member.sum()),
        "verdict": verdict,
    }


def _groups(inputs: pd.DataFrame, columns: Sequence[InputColumn]) -> Iterator[tuple[str, np.ndarray, tuple]]:
    for column in columns:
        values = inputs[column.name]
        if column.kind in (CATEGORY, FLAG):
            for level in values.value_counts().index[:MOST_LEVELS]:
                rule = (column.name, "is", level)
                shown = bool(level) if column.kind == FLAG else level
                yield f"{column.name} is {shown}", _members(inputs, rule), rule
            continue
        for quantile, way in zip(TAILS, ("at most", "at least"), strict=True):
            edge = values.quantile(quantile)
            if pd.notna(edge):
                rule = (column.name, way, float(edge))
                yield f"{column.name} is {way} {edge:.4g}", _members(inputs, rule), rule


def _members(inputs: pd.DataFrame, rule: tuple) -> np.ndarray:
    name, way, value = rule
    values = inputs[name]
    if way == "is":
        return (values == value).to_numpy()
    return (values <= value if way == "at most" else values >= value).to_numpy()
