"""Which features models may use: those that nobody left out, and none that is likely to know the outcome."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from python_ml.errors import GateError, UserError
from python_ml.training.columns import model_input, typed_columns
from python_ml.training.dataset import TRAINING_SET
from python_ml.training.leaks import CRITICAL, Leak, find_leaks

if TYPE_CHECKING:
    from python_ml.registry import Feature
    from python_ml.settings import Settings

CHECKED_ROWS = 200_000


@dataclass(frozen=True)
class LeakCheck:
    """What the check of single columns found, and what becomes of each column.

    Attributes
    ----------
    limit : float
        AUC from which a single column is not believed.
    left_out : dict of str to Leak or None
        Excluded features; None where nothing is wrong with one.
    accepted : dict of str to str
        Critical columns that the model uses, with the reason that was given.
    leaks : list of Leak
        Everything that was found.
    """

    limit: float
    left_out: dict[str, Leak | None] = field(default_factory=dict)
    accepted: dict[str, str] = field(default_factory=dict)
    leaks: list[Leak] = field(default_factory=list)

    @property
    def warnings(self) -> list[str]:
        """One sentence for each suspicious column, worst first."""
        told = []
        for leak in self.leaks:
            what = "; ".join(leak.reasons)
            if leak.column in self.accepted:
                told.append(
                    f"LEAK: the model uses `{leak.column}`, which most likely knows the outcome: {what}. It was "
                    f"accepted because: {self.accepted[leak.column]}. No figure of this model is to be trusted."
                )
            elif leak.column in self.left_out:
                told.append(f"`{leak.column}` was left out, since it most likely knows the outcome: {what}.")
            else:
                told.append(f"Look at `{leak.column}`, which the model uses: {what}.")
        return told

    def to_dict(self) -> dict[str, Any]:
        """For ``metrics.json``."""
        return {
            "limit": self.limit,
            "left_out": sorted(self.left_out),
            "accepted": dict(self.accepted),
            "found": [leak.to_dict() for leak in self.leaks],
        }


def usable(features: Sequence[Feature], settings: Settings) -> list[Feature]:
    """The registry without the features that ``features.exclude`` names.

    Raises
    ------
    UserError
        When it names something that is no feature.
    """
    known = [feature.name for feature in features if feature.role == "feature"]
    for name in settings.features.exclude:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            raise UserError(
                f"There is no feature `{name}` to leave out.",
                where=settings.where("features", "exclude"),
                mend=f"did you mean `{close[0]}`?"
                if close
                else "delete the line, or name a column of gold.gld_customer_features",
            )
    return [feature for feature in features if feature.name not in settings.features.exclude]


def check_leaks(frame: pd.DataFrame, features: Sequence[Feature], churned: np.ndarray, settings: Settings) -> LeakCheck:
    """Look at every feature alone, also at those that are left out.

    Parameters
    ----------
    frame : pandas.DataFrame, n_rows rows
        The training set.
    features : sequence of Feature
        The registry.
    churned : numpy.ndarray of int, shape (n_rows,)
    settings : Settings

    Raises
    ------
    GateError
        When a critical column is neither left out nor accepted; names it with its figures.
    UserError
        When ``features.exclude`` or ``leakage.accept`` names something that is no feature.
    """
    usable(features, settings)
    excluded, limit = settings.features.exclude, settings.leakage.limit
    columns = typed_columns(frame, features)
    known = [column.name for column in columns]
    for name in settings.leakage.accept:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            raise UserError(
                f"There is no feature `{name}` to accept.",
                where=settings.where("leakage", "accept", name),
                mend=f"did you mean `{close[0]}`?" if close else "delete the line",
            )
    rows = np.arange(len(frame))
    if len(frame) > CHECKED_ROWS:
        rows = np.sort(np.random.default_rng(settings.training.seed).choice(rows, CHECKED_ROWS, replace=False))
    inputs = model_input(frame.iloc[rows], columns, where=TRAINING_SET)
    leaks = find_leaks(known, lambda name: inputs[name].to_numpy(), churned[rows], limit)
    accepted = {}
    for leak in leaks:
        reason = settings.leakage.accept.get(leak.column) or settings.leakage.accept.get(leak.related_to or "")
        if leak.severity == CRITICAL and leak.column not in excluded and reason:
            accepted[leak.column] = reason
    refused = [
        leak
        for leak in leaks
        if leak.severity == CRITICAL and leak.column not in excluded and leak.column not in accepted
    ]
    if refused:
        raise GateError(
            f"{len(refused)} column(s) most likely know the outcome:\n    "
            + "\n    ".join(leak.sentence for leak in refused),
            where=TRAINING_SET,
            mend="leave them out in retention.yml (`features: {exclude: ["
            + ", ".join(leak.column for leak in refused)
            + f"]}}`); or, if they were seen before the outcome, say why (`leakage: {{accept: {{{refused[0].column}: "
            "the reason}}`)",
        )
    by_name = {leak.column: leak for leak in leaks}
    return LeakCheck(limit, {name: by_name.get(name) for name in excluded}, accepted, leaks)


def registered_risks(features: Sequence[Feature], used: Sequence[str]) -> list[str]:
    """A warning when features that the model uses are registered with a high leakage risk."""
    risky = [f.name for f in features if f.name in set(used) and (f.leakage_risk or "").lower() == "high"]
    if not risky:
        return []
    return [f"The model uses features whose leakage risk is registered as high: {', '.join(risky)}."]
