"""EMPC on the TV-subscription customers that empulse brings along: a plain LightGBM, and the product's champion.

    python -m tests.bench.profit             needs the extra `profit`; about two minutes

The plain model (150 trees of 15 leaves, learning rate 0.03) is fitted in five stratified, shuffled folds; the measure
is taken of all predictions together. The champion is measured by its own nested cross-validation, choice of the model
included. EMPC has a wide spread over folds; an interval by customer stands beside it. The exit code is 1 when empulse
and the closed form differ, the reference is not reproduced, or the champion earns less.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd

from python_ml.cli.options import Console
from python_ml.dbt import Feature
from python_ml.decisions.economics import Interval, empc_by_empulse, expected_maximum_profit
from python_ml.model.train import train_models
from python_ml.settings import Settings

from .commands import keep, parser

REFERENCE = 0.01369180
FOLDS = 5


def customers() -> tuple[pd.DataFrame, np.ndarray]:
    """The 9,379 customers: 46 anonymous columns, and whether they churned."""
    from empulse.datasets import load_churn_tv_subscriptions

    data = load_churn_tv_subscriptions(backend=pd)
    return data.data, data.target.to_numpy().astype(int)


def plain(columns: pd.DataFrame, churned: np.ndarray) -> np.ndarray:
    """Out-of-fold probabilities of a plain LightGBM."""
    from lightgbm import LGBMClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    model = LGBMClassifier(n_estimators=150, learning_rate=0.03, num_leaves=15, n_jobs=1, verbose=-1)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    return cross_val_predict(model, columns, churned, cv=folds, method="predict_proba")[:, 1]


def product(columns: pd.DataFrame, churned: np.ndarray) -> tuple[str, np.ndarray]:
    """The champion's kind, and its out-of-fold probabilities, made with the default settings."""
    undated = pd.Timestamp("1970-01-01")
    keys = [f"K{number:05d}" for number in range(len(columns))]
    frame = columns.assign(customer_id=keys, feature_timestamp=undated, label_timestamp=undated, churned=churned)
    features = [
        Feature("customer_id", "key", "string"),
        Feature("feature_timestamp", "time", "timestamp"),
        *(Feature(name, "feature") for name in columns),
    ]
    result = train_models(frame, features, "customer_id", Settings(), scenario="static")
    chosen = result.predictions.query("model == @result.champion and split == 'test'")
    return result.champion, chosen.set_index("customer_id")["probability"].reindex(keys).to_numpy()


def measured(churned: np.ndarray, probability: np.ndarray, replicates: int = 200) -> dict[str, Any]:
    """EMPC by the closed form, with an interval by customer, and by empulse."""
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(replicates):
        rows = rng.integers(0, len(churned), len(churned))
        drawn.append(expected_maximum_profit(churned[rows], probability[rows]).value)
    found = expected_maximum_profit(churned, probability)
    return {
        **Interval.of(found.value, drawn).to_dict(),
        "contacted": found.share,
        "empulse": empc_by_empulse(churned, probability),
    }


def main() -> None:
    """Measure, print and keep the figures."""
    options = parser("profit", __doc__).parse_args()
    columns, churned = customers()
    start = time.perf_counter()
    results = {"LightGBM": measured(churned, plain(columns, churned))}
    with Console().step("Training the product's models"):
        champion, probability = product(columns, churned)
    results[f"champion ({champion})"] = measured(churned, probability)
    print("| model | EMPC, closed form | by empulse | 95 % interval by customer | contacted |")
    print("|---|---|---|---|---|")
    for name, row in results.items():
        print(
            f"| {name} | {row['value']:.8f} | {row['empulse']:.8f} | {row['low']:.4f} to {row['high']:.4f} | "
            f"{row['contacted']:.2%} |"
        )
    print(f"reference {REFERENCE:.8f}; {time.perf_counter() - start:.0f} s")
    keep({"reference": REFERENCE, "models": results}, options.json)
    reference, ours = results.values()
    agrees = all(abs(row["value"] - row["empulse"]) < 1e-9 for row in results.values())
    raise SystemExit(
        not (agrees and abs(reference["value"] - REFERENCE) < 1e-7 and ours["value"] >= reference["value"])
    )


if __name__ == "__main__":
    main()
