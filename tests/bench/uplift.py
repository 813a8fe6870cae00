"""Learners of uplift on a randomised experiment, by repeated cross-fitting: Qini coefficients with their spread.

    python -m tests.bench.uplift --hillstrom FILE         Hillstrom's e-mail experiment (64,000 rows), or a file like it
    python -m tests.bench.uplift --generate FILE          write such a file, with effects that are known
    python -m tests.bench.uplift --project FOLDER         the experiment of a built project, as the command does

The file has the columns recency, history_segment, history, mens, womens, zip_code, newbie, channel, segment (Womens
E-Mail, Mens E-Mail, No E-Mail), visit, conversion and spend. Each repeat deals the customers into other folds; every
customer is predicted by a learner that has not seen them; the coefficient is that of scikit-uplift's qini_auc_score
over all customers. Reference figures for visits, women's e-mail against none, 5 times 5 folds: X-learner 0.0614 +-
0.0021, T-learner of logistic regressions 0.0596, random order 0.0012.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from python_ml.cli.options import Console
from python_ml.decisions.uplift.catalogue import make_learner
from python_ml.decisions.uplift.curves import qini_auc
from python_ml.decisions.uplift.estimation import cross_fit
from python_ml.decisions.uplift.experiment_rows import Experiment, design_probability
from python_ml.input_columns import CATEGORY, FLAG, NUMBER, InputColumn, model_input

from .commands import keep, parser

COLUMNS = [
    InputColumn("recency", NUMBER),
    InputColumn("history", NUMBER),
    InputColumn("history_segment", CATEGORY),
    InputColumn("mens", FLAG),
    InputColumn("womens", FLAG),
    InputColumn("zip_code", CATEGORY),
    InputColumn("newbie", FLAG),
    InputColumn("channel", CATEGORY),
]
CONTROL, ARMS = "No E-Mail", {"womens": "Womens E-Mail", "mens": "Mens E-Mail"}
OUTCOMES = ("visit", "conversion")
LEARNERS = ("s_lasso", "t_logistic", "x_lightgbm", "t_lightgbm")


def hillstrom(file: Path | pd.DataFrame, arm: str = "womens", outcome: str = "visit") -> Experiment:
    """Read one arm and the control of a file of Hillstrom's shape.

    Parameters
    ----------
    file : Path or pandas.DataFrame
    arm : {'womens', 'mens'}
    outcome : {'visit', 'conversion'}

    Returns
    -------
    Experiment
        The outcome, which an e-mail should raise, stands for ``retained``.
    """
    frame = pd.read_csv(file) if isinstance(file, Path) else file
    frame = frame[frame["segment"].isin([ARMS[arm], CONTROL])].reset_index(drop=True)
    treated = (frame["segment"] == ARMS[arm]).to_numpy(int)
    return Experiment(
        inputs=model_input(frame, COLUMNS, "the file"),
        treated=treated,
        retained=frame[outcome].to_numpy(float),
        customers=frame.index.to_numpy(),
        probability=design_probability(treated, 0.5),
    )


def hillstrom_like(rows: int = 64_000, seed: int = 0, effect: float = 1.0) -> tuple[pd.DataFrame, np.ndarray]:
    """A file of Hillstrom's shape in which the effects of the e-mails are known.

    Women's e-mails bring visits of customers who bought women's goods, mostly of recent ones; they put off those who
    bought men's goods only and are new.

    Parameters
    ----------
    rows, seed : int
    effect : float
        Factor of all effects; 0 for none.

    Returns
    -------
    frame : pandas.DataFrame, n_rows rows
    uplift : numpy.ndarray, shape (n_rows,)
        True effect of the women's e-mail on the probability of a visit.
    """
    rng = np.random.default_rng(seed)
    recency = rng.integers(1, 13, rows)
    history = np.round(np.exp(rng.normal(5.0, 1.0, rows)), 2)
    edges = [0, 100, 200, 350, 500, 750, 1_000, np.inf]
    names = [f"{n}) segment" for n in range(1, 8)]
    kind = rng.choice(3, rows, p=[0.45, 0.45, 0.10])
    womens, mens = (kind != 0).astype(int), (kind != 1).astype(int)
    newbie = (rng.random(rows) < 0.5).astype(int)
    segment = rng.choice([*ARMS.values(), CONTROL], rows)
    base = 0.06 + 0.07 * (recency <= 4) + 0.02 * np.minimum(history / 500, 2) + 0.02 * womens
    uplift = effect * (0.015 + 0.075 * womens * np.where(recency <= 6, 1.3, 0.6) - 0.045 * (womens == 0) * newbie)
    chance = base + np.where(segment == ARMS["womens"], uplift, 0) + np.where(segment == ARMS["mens"], 0.05 * effect, 0)
    visit = (rng.random(rows) < chance).astype(int)
    conversion = visit * (rng.random(rows) < 0.07)
    frame = pd.DataFrame(
        {
            "recency": recency,
            "history_segment": pd.cut(history, edges, labels=names).astype(str),
            "history": history,
            "mens": mens,
            "womens": womens,
            "zip_code": rng.choice(["Urban", "Surburban", "Rural"], rows, p=[0.40, 0.45, 0.15]),
            "newbie": newbie,
            "channel": rng.choice(["Web", "Phone", "Multichannel"], rows, p=[0.44, 0.44, 0.12]),
            "segment": segment,
            "visit": visit,
            "conversion": conversion,
            "spend": np.round(conversion * rng.gamma(2, 50, rows), 2),
        }
    )
    return frame, uplift


def repeated_qini(experiment: Experiment, learner: str, repeats: int = 5, folds: int = 5) -> np.ndarray:
    """Qini coefficients over all rows, each row predicted out of fold; shape (repeats,)."""
    made = []
    for seed in range(repeats):
        place = np.random.default_rng(seed).permutation(len(experiment)) % folds
        dealt = [(np.flatnonzero(place != k), np.flatnonzero(place == k)) for k in range(folds)]
        uplift = cross_fit(lambda seed=seed: make_learner(learner, COLUMNS, seed), experiment, dealt)
        made.append(qini_auc(experiment.retained, uplift, experiment.treated))
    return np.array(made)


def of_file(file: Path, arm: str, outcome: str, learners: list[str], repeats: int, folds: int) -> list[dict[str, Any]]:
    """Measure learners on a file; one dict each, a random order last."""
    experiment, console = hillstrom(file, arm, outcome), Console()
    rows = []
    for learner in learners:
        with console.step(learner):
            qini = repeated_qini(experiment, learner, repeats, folds)
        rows.append(
            {"learner": learner, "qini": float(qini.mean()), "spread": float(qini.std(ddof=1)) if repeats > 1 else 0.0}
        )
    orders = [np.random.default_rng(seed).random(len(experiment)) for seed in range(repeats)]
    random = np.array([qini_auc(experiment.retained, order, experiment.treated) for order in orders])
    rows.append({"learner": "random", "qini": float(random.mean()), "spread": float(random.std())})
    return rows


def of_project(folder: Path) -> dict[str, Any]:
    """Measure the experiment of a built project against the truth of its world, where it has one."""
    from python_ml.cli.uplift import read_true_uplift
    from python_ml.decisions.uplift.draws import read_draws
    from python_ml.decisions.uplift.estimation import estimate_uplift
    from python_ml.decisions.uplift.prognosis import read_history
    from python_ml.project import Project

    project = Project.open(folder)
    draws = read_draws(project)
    truth = read_true_uplift(project, draws.keys)
    console = Console()
    result = estimate_uplift(
        draws,
        project.settings.uplift,
        seed=project.settings.training.seed,
        truth=truth,
        history=read_history(project, draws.columns),
        progress=lambda message: console.note(f"  {message}"),
    )
    return {
        "draws": len(draws.experiment),
        "excluded": draws.excluded,
        "learner": result.learner,
        "judged": result.figures["judged"],
        "share_of_truth": result.figures.get("share_of_truth"),
    }


def main() -> None:
    """Measure and print."""
    command = parser("uplift", __doc__)
    command.add_argument("--hillstrom", type=Path, help="CSV file of Hillstrom's shape")
    command.add_argument("--generate", type=Path, help="write a file of that shape with known effects, and end")
    command.add_argument("--project", type=Path, nargs="*", default=[], help="folders of built projects")
    command.add_argument("--arm", choices=ARMS, default="womens")
    command.add_argument("--outcome", choices=OUTCOMES, default="visit")
    command.add_argument("--learners", nargs="*", default=list(LEARNERS))
    command.add_argument("--repeats", type=int, default=5)
    command.add_argument("--folds", type=int, default=5)
    chosen = command.parse_args()
    if chosen.generate:
        hillstrom_like()[0].to_csv(chosen.generate, index=False)
        print(f"written: {chosen.generate}")
        return
    found: dict[str, Any] = {}
    if chosen.hillstrom:
        found["file"] = of_file(
            chosen.hillstrom, chosen.arm, chosen.outcome, chosen.learners, chosen.repeats, chosen.folds
        )
        print(f"| learner | Qini on {chosen.outcome}, {chosen.arm} e-mail, {chosen.repeats} x {chosen.folds} |")
        print("|---|---|")
        for row in found["file"]:
            print(f"| {row['learner']} | {row['qini']:.4f} ± {row['spread']:.4f} |")
    for folder in chosen.project:
        made = of_project(folder)
        found[folder.name] = made
        print(f"{folder.name}: {made['draws']:,} draws, left out {made['excluded']}; chosen {made['learner']}")
        print("| learner | Qini out of fold | Qini test |")
        print("|---|---|---|")
        for name, test in made["judged"]["test"].items():
            cells = [_shown(part[name]["qini"]) for part in (made["judged"]["validation"], {name: test})]
            print(f"| {name} | {' | '.join(cells)} |")
        if made["share_of_truth"] is not None:
            print(f"share of the truth's gain over a random order: {made['share_of_truth']:.3f}")
    keep(found, chosen.json)


def _shown(figure: dict[str, float | None]) -> str:
    if figure["low"] is None:
        return f"{figure['value']:.4f}"
    return f"{figure['value']:.4f} [{figure['low']:.4f}, {figure['high']:.4f}]"


if __name__ == "__main__":
    main()
