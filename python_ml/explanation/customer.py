"""One customer: probability, contributions, history, counterfactuals, and similar customers whose outcome is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.special

from python_ml.explanation.counterfactuals import Counterfactual, threshold_below
from python_ml.explanation.neighbours import Neighbours
from python_ml.input_columns import NUMBER, model_input
from python_ml.model.explain import contributions
from python_ml.model.reason_choice import groups_of_rows
from python_ml.model.reasons import value_statement
from python_ml.model.score import reasons, score

if TYPE_CHECKING:
    from python_ml.model.registry import Champion
    from python_ml.settings import Settings

HISTORY_FEATURES = 3


@dataclass(frozen=True)
class CustomerExplanation:
    """Why the champion gives one customer a probability.

    Attributes
    ----------
    key : object
        Of the customer.
    feature_timestamp : pandas.Timestamp
        As of which features are explained.
    probability : float
        Of churning.
    base_log_odds : float
        Log-odds where all contributions are zero.
    band, model, version
        As in ``gold.gld_churn_scores``.
    parts : pandas.DataFrame
        ``feature``, ``statement``, ``value``, ``contribution`` (log-odds, of all features that say nearly the same),
        ``merged`` (how many they are); the largest first. They add up to the log-odds of the probability less those of
        the base.
    reasons : list of str
    history : pandas.DataFrame
        One row per feature time of the customer: ``feature_timestamp``, ``probability`` by today's champion, and the
        values of the features that push most now.
    threshold : float or None
        Of the band; None in the lowest one.
    counterfactuals : list of Counterfactual
    similar : pandas.DataFrame
        Nearest rows of the training set, one per customer: ``key``, ``feature_timestamp``, ``churned``,
        ``probability``, ``distance``.
    """

    key: Any
    feature_timestamp: pd.Timestamp
    probability: float
    base_log_odds: float
    band: str
    model: str
    version: int
    parts: pd.DataFrame
    reasons: list[str]
    history: pd.DataFrame
    threshold: float | None
    counterfactuals: list[Counterfactual]
    similar: pd.DataFrame

    @property
    def base(self) -> float:
        """Probability where all contributions are zero."""
        return float(scipy.special.expit(self.base_log_odds))

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain data."""
        plain = {name: getattr(self, name) for name in ("key", "probability", "base", "band", "model", "version")}
        tables = {
            name: [
                {column: _plain(value) for column, value in row.items()}
                for row in getattr(self, name).to_dict("records")
            ]
            for name in ("parts", "history", "similar")
        }
        return {
            **{name: _plain(value) for name, value in plain.items()},
            "feature_timestamp": self.feature_timestamp.isoformat(),
            "reasons": self.reasons,
            "threshold": self.threshold,
            "counterfactuals": [
                {
                    "sources": list(one.sources),
                    "probability": one.probability,
                    "reached": one.reached,
                    "changes": [
                        {"feature": name, "from": _plain(old), "to": _plain(new)} for name, old, new in one.changes
                    ],
                }
                for one in self.counterfactuals
            ],
            **tables,
        }


def explain_customer(
    champion: Champion,
    rows: pd.DataFrame,
    training_set: pd.DataFrame,
    entity: str,
    settings: Settings,
    *,
    with_dice: bool = False,
) -> CustomerExplanation:
    """Explain the score of one customer.

    Parameters
    ----------
    champion : Champion
    rows : pandas.DataFrame
        The customer's features, one row per feature time; the newest is explained.
    training_set : pandas.DataFrame
        Labelled rows. Used are those of other customers whose label was known by the newest feature time of ``rows``.
    entity : str
        Key column.
    settings : Settings
    with_dice : bool
        Whether to add counterfactuals by the library dice-ml.

    Raises
    ------
    UserError
        When columns are missing that the champion needs, or dice-ml is.
    """
    card = champion.card
    columns = card.inputs
    rows = rows.sort_values("feature_timestamp", kind="stable").reset_index(drop=True)
    newest = rows.tail(1).reset_index(drop=True)
    now, key = pd.Timestamp(newest["feature_timestamp"].iloc[0]), newest[entity].iloc[0]
    inputs = model_input(newest, columns, where="gold.gld_customer_features")
    values, base = contributions(champion.model, inputs, card.background)
    scored = score(newest, champion, entity).iloc[0]
    parts = _parts(values[0], inputs, card.columns)
    threshold = threshold_below(scored["churn_probability"], card.risk_bands)
    neighbours = Neighbours(champion, training_set[training_set[entity] != key], entity, now, settings)
    ways: list[Counterfactual] = []
    if threshold is not None:
        ways = neighbours.counterfactuals(key, inputs, values[0], threshold, with_dice=with_dice)
    numbers = {column.name for column in card.columns if column.kind == NUMBER} - {"feature_timestamp", "probability"}
    pushing = [feature for feature in parts["feature"] if feature in numbers][:HISTORY_FEATURES]
    return CustomerExplanation(
        key=key,
        feature_timestamp=now,
        probability=float(scored["churn_probability"]),
        base_log_odds=float(base[0]),
        band=str(scored["risk_band"]),
        model=card.model,
        version=champion.version,
        parts=parts,
        reasons=reasons(newest, champion, entity, settings.scoring.reasons)["reason"].tolist(),
        history=rows[["feature_timestamp"]].assign(
            probability=_probability(champion, rows, entity), **{name: rows[name].astype(float) for name in pushing}
        ),
        threshold=threshold,
        counterfactuals=ways,
        similar=neighbours.similar(key, inputs),
    )


def _probability(champion: Champion, rows: pd.DataFrame, entity: str) -> np.ndarray:
    return score(rows, champion, entity)["churn_probability"].to_numpy(float)


def _parts(values: np.ndarray, inputs: pd.DataFrame, columns: tuple) -> pd.DataFrame:
    """Contributions of one customer, those of features that say nearly the same added up."""
    parts = []
    groups, without_events = groups_of_rows(inputs, columns)
    for members, part_of in groups:
        group = members[part_of[0, members]]
        if len(group):
            total = values[group].sum()
            leader = group[np.argmax(values[group] * (1 if total >= 0 else -1))]
            value = inputs[columns[leader].name].iloc[0]
            statement = value_statement(columns[leader], value, bool(without_events[0, leader]))
            parts.append((columns[leader].name, statement, value, float(total), len(group)))
    table = pd.DataFrame(parts, columns=["feature", "statement", "value", "contribution", "merged"])
    return table.sort_values("contribution", key=np.abs, ascending=False, kind="stable", ignore_index=True)


def _plain(value: Any) -> Any:
    """A value for JSON."""
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if hasattr(value, "item"):
        value = value.item()
    return None if value is None or value != value else value
