"""Hyperparameter search under a budget of time: Optuna's TPE on validation rows, never on test rows.

Studies are kept in a database, by what they are about: the same rows, columns, folds and fixed parameters go on where
an earlier search ended, others start anew. Parameters are used only where they do better on the validation rows than
the defaults; these rows then flatter the model a little, the test does not.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from python_ml.model.calibration import held_out_predictions, one_thread_each
from python_ml.model.evaluate import RANKING_METRICS, evaluate
from python_ml.model.tree_size import calibrated_losses
from python_ml.stats import some_rows

if TYPE_CHECKING:
    import optuna
    import pandas as pd

    from python_ml.input_columns import InputColumn
    from python_ml.model.imbalance import Balance
    from python_ml.settings import Tuning

MOST_ROWS = 50_000  # of a fold to fit; more would hardly change the choice, only the number of trials

# Lowest and highest value; whole numbers are whole, and True stands for a logarithmic scale.
SPACES: dict[str, dict[str, tuple[float, float, bool]]] = {
    "lightgbm": {
        "n_estimators": (50, 800, True),
        "learning_rate": (0.01, 0.2, True),
        "num_leaves": (4, 128, True),
        "min_child_samples": (5, 500, True),
        "subsample": (0.5, 1.0, False),
        "colsample_bytree": (0.2, 1.0, False),
        "reg_lambda": (0.01, 100.0, True),
    },
    "xgboost": {
        "n_estimators": (50, 800, True),
        "learning_rate": (0.01, 0.2, True),
        "max_depth": (2, 8, False),
        "min_child_weight": (1.0, 200.0, True),
        "subsample": (0.5, 1.0, False),
        "colsample_bytree": (0.2, 1.0, False),
        "reg_lambda": (0.01, 100.0, True),
    },
    "random_forest": {
        "max_depth": (4, 20, False),
        "min_samples_leaf": (5, 200, True),
        "max_features": (0.05, 0.6, True),
    },
}


@dataclass
class Tuner:
    """Searches for parameters, one study after the other.

    Attributes
    ----------
    settings : python_ml.settings.Tuning
    metric : str
        That of the selection; a ranking metric is maximised as it is, others by the log-loss after calibration.
    seed : int
    store : str or None
        Address of the SQLite file with the studies; None keeps them in memory.
    studies : int
        Among how many the minutes are divided.
    progress : callable
    found : dict
        What each study came to, by its kind of model, for ``metrics.json``.
    """

    settings: Tuning
    metric: str
    seed: int
    store: str | None
    studies: int
    progress: Callable[[str], None]
    found: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @staticmethod
    def kinds(names: Iterable[str]) -> list[str]:
        """Those kinds of model that have something to tune."""
        return [name for name in names if name in SPACES]

    def parameters(
        self,
        name: str,
        inputs: pd.DataFrame,
        churned: np.ndarray,
        customers: np.ndarray,
        columns: Sequence[InputColumn],
        folds: Sequence[tuple[np.ndarray, np.ndarray]],
        fixed: dict[str, Any],
        default: dict[str, Any],
        balance: Balance,
    ) -> dict[str, Any]:
        """The best parameters for rows that the folds hold out, or ``fixed`` where the defaults are no worse.

        Parameters
        ----------
        name : str
            Kind of model.
        inputs : pandas.DataFrame, shape (n_rows, n_columns)
        churned, customers : numpy.ndarray, shape (n_rows,)
        columns : sequence of InputColumn
        folds : sequence of (train, held_out)
            Row positions.
        fixed : dict
            What the user has set, and the search must not change.
        default : dict
            The parameters that a model has without tuning.
        balance : Balance
        """
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        used = inputs[[column.name for column in columns]]
        rng = np.random.default_rng(self.seed)
        folds = [(some_rows(train, MOST_ROWS, rng), held_out) for train, held_out in folds]

        def goodness(parameters: dict[str, Any]) -> float:
            with one_thread_each():
                raw = held_out_predictions(name, used, churned, columns, folds, self.seed, parameters, balance)[:, 0]
            judged = ~np.isnan(raw)
            if self.metric not in RANKING_METRICS:
                return -float(calibrated_losses(raw[judged], churned[judged]).mean())
            value = evaluate(churned[judged], raw[judged], customers[judged], metrics=[self.metric], replicates=0)
            return float("-inf") if value[self.metric]["value"] is None else value[self.metric]["value"]

        identity = [name, self.metric, self.seed, [vars(column) for column in columns], fixed, list(balance)]
        title = f"{name} {_digest(identity, used, churned, folds)}"
        study = optuna.create_study(
            study_name=title, storage=self.store, direction="maximize", load_if_exists=True,
            sampler=optuna.samplers.TPESampler(seed=self.seed),
        )  # fmt: skip
        earlier = len(study.trials)
        # A sampler that began again with the same seed would repeat the trials that are there.
        study.sampler = optuna.samplers.TPESampler(seed=self.seed + earlier)
        standard = goodness(default)
        self._search(study, name, lambda proposed: goodness({**proposed, **fixed}), set(fixed))
        best = study.best_trial if _completed(study) else None
        is_better = best is not None and best.value > standard
        self.found.setdefault(name, []).append(
            {
                "trials": len(_completed(study)),
                "of_them_earlier": earlier,
                "measure": self.metric if self.metric in RANKING_METRICS else "log-likelihood per row",
                "default": standard,
                "best": None if best is None else best.value,
                "used": is_better,
                "parameters": dict(best.params) if is_better else {},
            }
        )
        return {**best.params, **fixed} if is_better else fixed

    def _search(
        self, study: optuna.Study, name: str, goodness: Callable[[dict[str, Any]], float], fixed: set[str]
    ) -> None:
        seconds = 60 * self.settings.minutes / max(self.studies, 1)
        remaining = None
        if self.settings.trials is not None:
            remaining = self.settings.trials - len(_completed(study))
            if remaining <= 0:
                return
        start = time.monotonic()

        def objective(trial: optuna.Trial) -> float:
            proposed: dict[str, Any] = {}
            for parameter, (low, high, log) in SPACES[name].items():
                if parameter in fixed:
                    continue
                suggest = trial.suggest_int if isinstance(low, int) else trial.suggest_float
                proposed[parameter] = suggest(parameter, low, high, log=log)
            return goodness(proposed)

        def report(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
            if study.best_trial.number == trial.number or trial.number % 10 == 0:
                self.progress(
                    f"tuning {name}: trial {trial.number + 1}, best {study.best_value:.4f}, "
                    f"{time.monotonic() - start:.0f} of {seconds:.0f} s"
                )

        study.optimize(objective, n_trials=remaining, timeout=seconds, callbacks=[report])


def _completed(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    import optuna

    return study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE])


def _digest(
    identity: list[Any], inputs: pd.DataFrame, churned: np.ndarray, folds: Sequence[tuple[np.ndarray, np.ndarray]]
) -> str:
    """Digest of all that a search depends on."""
    import pandas as pd

    digest = hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode())
    digest.update(pd.util.hash_pandas_object(inputs, index=False).to_numpy().tobytes())
    for part in (churned, *(rows for fold in folds for rows in fold)):
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:16]
