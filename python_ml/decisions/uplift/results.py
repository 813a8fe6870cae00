"""Results of an experiment as gold tables and as ``reports/uplift.json``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from python_ml.decisions.uplift import curves, policy
from python_ml.decisions.uplift.draws import customer_inputs
from python_ml.files import write_json

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa

    from python_ml.decisions.uplift.estimation import UpliftResult
    from python_ml.input_columns import InputColumn
    from python_ml.project import Project

EVALUATION, CURVES = "gold.gld_uplift_evaluation", "gold.gld_uplift_curves"
ESTIMATES, ASSIGNMENTS = "gold.gld_uplift_estimates", "gold.gld_experiment_assignments"
FILE = "uplift.json"
HELPED, NOTHING, HARMED = "helped", "no effect shown", "harmed"

COLUMNS = {
    EVALUATION: ("part", "learner", "metric", "value", "low", "high", "formula"),
    CURVES: ("learner", "curve", "targeted", "gain"),
    ESTIMATES: ("feature_timestamp", "uplift", "uplift_low", "uplift_high", "odds_ratio", "learner", "response"),
    ASSIGNMENTS: ("feature_timestamp", "stratum", "arm", "probability"),
}


def evaluation_table(figures: dict[str, Any]) -> pa.Table:
    """One row per part, learner (or policy) and metric, with the formula beside each value."""
    import pyarrow as pa

    rows: list[dict[str, Any]] = []

    def add(part: str, learner: str, metric: str, figure: dict[str, Any], formula: str) -> None:
        rows.append({"part": part, "learner": learner, "metric": metric, **figure, "formula": formula})

    chosen = figures["learner"]
    for part, learners in figures["judged"].items():
        for learner, metrics in learners.items():
            for metric, figure in metrics.items():
                add(part, learner, metric, figure, curves.FORMULAS[metric])
    for part, figure in figures["mean_effect"].items():
        add(part, "none", "mean_effect", figure, policy.FORMULAS["effect"])
    for part, figure in figures["slope"].items():
        add(part, chosen, "slope", figure, policy.FORMULAS["slope"])
    for row in figures["policies"]:
        for kind in ("aipw", "ipw"):
            add("test", row["policy"], f"churn_rate_{kind}", row[kind], policy.FORMULAS[kind])
    schema = pa.schema(
        [(name, pa.float64() if name in ("value", "low", "high") else pa.string()) for name in COLUMNS[EVALUATION]]
    )
    return pa.Table.from_pylist(rows, schema=schema)


def estimates_table(
    scoring_set: pd.DataFrame, columns: list[InputColumn], result: UpliftResult, entity: str
) -> pd.DataFrame:
    """Uplift of each customer of the scoring set.

    Parameters
    ----------
    scoring_set : pandas.DataFrame, n_customers rows
        As ``gold.gld_scoring_set``.
    columns : list of InputColumn
        Those of the draws.
    result : UpliftResult
    entity : str

    Returns
    -------
    pandas.DataFrame, n_customers rows
        As ``gold.gld_uplift_estimates``, by customer.
    """
    import pandas as pd

    rows = scoring_set.sort_values(entity, ignore_index=True)
    (uplift, low, high), odds_ratio = result.estimates_with_odds(customer_inputs(rows, columns))
    return pd.DataFrame(
        {
            entity: rows[entity],
            "feature_timestamp": rows["feature_timestamp"],
            "uplift": uplift,
            "uplift_low": low,
            "uplift_high": high,
            "odds_ratio": odds_ratio,
            "learner": result.learner,
            "response": np.select([low > 0, high < 0], [HELPED, HARMED], NOTHING),
        }
    )


def drop_estimates(project: Project) -> None:
    """Remove the estimates of an earlier run."""
    from python_ml.warehouse import drop_tables, has_warehouse

    if has_warehouse(project):
        drop_tables(project, EVALUATION, CURVES, ESTIMATES)


def write_figures(folder: Path, figures: dict[str, Any]) -> Path:
    """Write ``reports/uplift.json``; its path."""
    path = folder / FILE
    write_json(path, figures, default=_plain)
    return path


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    return str(value)
