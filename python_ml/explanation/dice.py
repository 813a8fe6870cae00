"""Counterfactuals by dice-ml, for comparison with our own (:mod:`python_ml.explanation.counterfactuals`).

DiCE (Mothilal, Sharma & Tan 2020, "Explaining machine learning classifiers through diverse counterfactual
explanations") draws values one by one. Those that no customer can have (fewer orders in 30 days than in 7) are left
out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from python_ml.errors import UserError
from python_ml.explanation.counterfactuals import Counterfactual, changes_of, consistent
from python_ml.input_columns import NUMBER
from python_ml.model.calibration import probabilities

if TYPE_CHECKING:
    from python_ml.explanation.space import Space
    from python_ml.model.registry import Champion

OUTCOME = "in the lower band"
TRIES = 5  # drawn for each one that is wanted, as many are not possible


def dice_counterfactuals(
    champion: Champion,
    customer: pd.DataFrame,
    donors: pd.DataFrame,
    space: Space,
    may_change: np.ndarray,
    below: float,
    most: int,
    seed: int,
) -> list[Counterfactual]:
    """Counterfactuals drawn at random; arguments as of :func:`counterfactuals`.

    Numbers stay in the range of the training rows, whole where these are whole. Only features without missing values
    change.

    Raises
    ------
    UserError
        When dice-ml is not installed.
    """
    try:
        import dice_ml
        from raiutils.exceptions import UserConfigValidationException
    except ImportError as error:
        raise UserError(
            "The package dice-ml is not installed.",
            where="--dice",
            hint="pip install 'customer-retention[counterfactuals]', or leave --dice out",
        ) from error
    columns = champion.card.columns
    varied = [
        position
        for position in np.flatnonzero(may_change)
        if not (donors[columns[position].name].isna().any() or customer[columns[position].name].isna().any())
    ]
    if not varied or not most:
        return []
    names = {f"c{position}": columns[position].name for position in varied}
    whole = [key for key, name in names.items() if _is_whole(donors[name])]

    def seen(rows: pd.DataFrame) -> pd.DataFrame:
        table = pd.DataFrame({key: rows[name].to_numpy() for key, name in names.items()})
        return table.astype(dict.fromkeys(whole, int) | {key: str for key in table if table[key].dtype == object})

    def full(rows: pd.DataFrame) -> pd.DataFrame:
        made = customer.loc[customer.index.repeat(len(rows))].reset_index(drop=True)
        for key, name in names.items():
            made[name] = rows[key].to_numpy() if made[name].dtype == object else rows[key].to_numpy(dtype=float)
        return made

    class InLowerBand:
        """What DiCE asks of a classifier; the threshold is at one half."""

        def predict_proba(self, rows: pd.DataFrame) -> np.ndarray:
            probability = probabilities(champion.model, full(rows))
            inside = np.where(probability < below, 0.5 + (below - probability) / (2 * below), below / (2 * probability))
            return np.column_stack([1 - inside, inside])

        def predict(self, rows: pd.DataFrame) -> np.ndarray:
            return (self.predict_proba(rows)[:, 1] > 0.5).astype(int)

    classifier, table = InLowerBand(), seen(donors)
    numbers = [f"c{position}" for position in varied if columns[position].kind == NUMBER]
    known = table.assign(**{OUTCOME: classifier.predict(table)})
    data = dice_ml.Data(dataframe=known, continuous_features=numbers, outcome_name=OUTCOME)
    explainer = dice_ml.Dice(data, dice_ml.Model(model=classifier, backend="sklearn"), method="random")
    try:
        made = explainer.generate_counterfactuals(
            seen(customer),
            total_CFs=TRIES * most,
            desired_class=1,
            posthoc_sparsity_param=None,  # its search predicts row by row, for minutes
            random_seed=seed,
            verbose=False,
        )
    except UserConfigValidationException:  # it found none
        return []
    drawn = made.cf_examples_list[0].final_cfs_df
    if drawn is None or drawn.empty:
        return []
    rows = full(drawn)
    rows = rows[consistent(rows, customer, columns)].reset_index(drop=True)
    if rows.empty:
        return []
    after, away = probabilities(champion.model, rows), space.distance(space.place(rows), space.place(customer)[0])
    ways = [
        Counterfactual(
            ("values (DiCE)",),
            float(after[row]),
            bool(after[row] < below),
            float(away[row]),
            changes_of(customer, rows.iloc[[row]], columns, np.asarray(varied)),
        )
        for row in np.argsort(away, kind="stable")
    ]
    return [way for way in ways if way.reached][:most]


def _is_whole(values: pd.Series) -> bool:
    return values.dtype != object and bool((values == values.round()).all())
