"""What a model says about its features: importance with stability, low-value features, ideas from its errors."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

LOW = 0.25  # of the importance that each feature had if all had the same
TOGETHER = 0.02  # of all importance: what may be lost by excluding all that are proposed
UNSTABLE = 0.5  # standard deviation over folds, as a share of the mean
STRONGEST = 10


@dataclass(frozen=True)
class FeatureValue:
    """How much a feature matters.

    Attributes
    ----------
    feature : str
    importance : float
        Share of the sum of mean absolute contributions to the log-odds.
    lowest, highest : float
        The same over fits without a third of the customers, and over feature times.
    variation : float or None
        Standard deviation over these fits, as a share of their mean; None where it is 0.
    """

    feature: str
    importance: float
    lowest: float
    highest: float
    variation: float | None


@dataclass(frozen=True)
class Feedback:
    """What the next iteration can learn from a model.

    Attributes
    ----------
    version : int
    features : list of FeatureValue
        The most important first.
    low_value : dict of str to str
        Features proposed for exclusion, with the reason.
    unstable : list of str
        Of the ten strongest, those whose importance depends on which customers are in the sample.
    ideas : list of str
        From segments in which the model is significantly worse.
    """

    version: int
    features: list[FeatureValue]
    low_value: dict[str, str]
    unstable: list[str]
    ideas: list[str]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def feature_feedback(diagnostics: pd.DataFrame, protected: Collection[str] = ()) -> Feedback:
    """Judge the features of a model.

    A feature has a low value if in every fit, and at every feature time, its importance is below a quarter of the mean
    of all features. They are proposed, the weakest first, until together they reach 2 % of the importance in any of
    these parts: each of many alike may be dispensable, and all of them not.

    Parameters
    ----------
    diagnostics : pandas.DataFrame
        Rows of ``gold.gld_model_diagnostics`` about one version.
    protected : collection of str
        Features that are never proposed.

    Raises
    ------
    ValueError
        When there are no rows about the importance of features.
    """
    rows = diagnostics[diagnostics["diagnostic"] == "driver_importance"]
    if rows.empty:
        raise ValueError("the diagnostics have no importance of features")
    table = rows.pivot(index="subject", columns="part", values="value").astype(float)
    totals = table.sum()
    shares = table.loc[:, totals > 0] / totals[totals > 0]
    if "all" not in shares:  # no feature contributes: nothing can be said about any
        shares = shares.assign(all=0.0)
    shares = shares.sort_values("all", ascending=False, kind="stable")
    folds = [part for part in shares if str(part).startswith("fold ")]
    values = [_value(str(name), row, folds) for name, row in shares.iterrows()]
    unstable = [v.feature for v in values[:STRONGEST] if v.variation is not None and v.variation > UNSTABLE]
    return Feedback(
        version=int(diagnostics["model_version"].iloc[0]),
        features=values,
        low_value=_low_value(shares, protected),
        unstable=unstable,
        ideas=_ideas(diagnostics, [v.feature for v in values]),
    )


def _value(name: str, row: pd.Series, folds: list[str]) -> FeatureValue:
    fitted = row[folds].to_numpy(float)
    mean = float(fitted.mean()) if len(fitted) else 0.0
    return FeatureValue(
        name,
        float(row["all"]),
        float(row.min()),
        float(row.max()),
        float(fitted.std(ddof=1)) / mean if mean > 0 and len(fitted) > 1 else None,
    )


def _low_value(shares: pd.DataFrame, protected: Collection[str]) -> dict[str, str]:
    proposed: dict[str, str] = {}
    if not shares["all"].any():
        return proposed
    lost = np.zeros(shares.shape[1])
    for name in shares.max(axis=1).sort_values(kind="stable").index:
        row = shares.loc[name].to_numpy()
        lost = lost + row
        if row.max() >= LOW / len(shares) or lost.max() > TOGETHER:
            break
        if name in protected:
            lost = lost - row
            continue
        proposed[str(name)] = (
            f"at most {row.max():.2%} of the importance in {shares.shape[1]} fits and feature times, where an average "
            f"feature has {1 / len(shares):.1%}"
        )
    return proposed


def _ideas(diagnostics: pd.DataFrame, strongest: list[str]) -> list[str]:
    """A sentence per segment in which the model is significantly worse."""
    rows = diagnostics[(diagnostics["diagnostic"] == "segment_error") & diagnostics["p_adjusted"].lt(0.05)]
    ideas = []
    for row in rows.dropna(subset="remark").sort_values("p_adjusted", kind="stable").to_dict("records"):
        segment = f"{row['subject']} = {row['part']} ({row['customers']:,} customers)"
        if row["metric"] == "roc_auc":
            partner = next((name for name in strongest if name != row["subject"]), None)
            product = f", or an interaction of {row['subject']} with {partner}" if partner else ""
            ideas.append(
                f"{segment}: the model {row['remark']} (ROC AUC {row['value']:.3f}). Look for a feature that tells "
                f"these customers apart{product}."
            )
        else:
            ideas.append(
                f"{segment}: the model {row['remark']}, by {abs(row['value']):.1%} of the rows. Something that raises "
                f"or lowers churn there is not among the features."
            )
    return ideas


def importance_shares(feedback: Mapping[str, Any]) -> dict[str, float]:
    """Share of the importance by feature, of what :meth:`Feedback.to_dict` gave."""
    return {entry["feature"]: entry["importance"] for entry in feedback["features"]}
