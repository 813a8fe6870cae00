"""``retention experiment``: design an experiment that measures the effect of an offer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

from python_ml.cli.options import ENGINES, Console, project_options

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.project import Project

FILE, CSV = "experiment.json", "experiment.csv"
OFFER, HOLDOUT = "offer", "holdout"
RISK_STRATA = 5
RELATIVE_EFFECTS = (0.05, 0.1, 0.2, 0.3, 0.5)


@click.command("experiment")
@click.option("--name", help="Name of the experiment; another name gives another assignment.  [default: project, date]")
@click.option("--share", type=float, default=0.5, show_default=True, help="Share of customers who get the offer.")
@click.option("--baseline", type=float, help="Churn rate without an offer.  [default: mean score, else training rows]")
@click.option("--effect", type=float, help="Reduction of the churn rate to detect, such as 0.02 for two points.")
@click.option("--power", type=float, default=0.8, show_default=True, help="Probability of detecting it.")
@click.option("--alpha", type=float, default=0.05, show_default=True, help="False positive rate, two-sided.")
@click.option("--cluster", metavar="COL", help="Column whose customers get the same arm, such as a household.")
@click.option("--icc", type=float, default=0.0, show_default=True, help="Correlation of churn within a cluster.")
@click.option(
    "--strata", metavar="COL[,COL]", help="Columns in whose groups the share holds.  [default: fifths of risk]"
)
@click.option("--explained", type=float, default=0.0, show_default=True, help="Share of variance that strata explain.")
@project_options(*ENGINES)
def command(project: Project, console: Console, **options: Any) -> None:
    """Design an experiment: sample size, power and assignment.

    Prints the sample size for effects of several sizes and the smallest effect that the scoring set can detect, and
    assigns each of its customers to `offer` or `holdout`, with the same share in every stratum. The assignment depends
    on the name and the customers' keys alone: the same command gives the same arms.

    Then log the arm and the time of each assignment, including the holdout, and name that table under `uplift` in
    retention.yml: `retention uplift` estimates the effect.

    Reads gold.gld_scoring_set and gold.gld_churn_scores (else gold.gld_training_set).
    Writes gold.gld_experiment_assignments, reports/experiment.csv and reports/experiment.json.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage.

    \b
    Examples:
      retention experiment --effect 0.02
      retention experiment --name spring --share 0.8 --strata customer_segment
    """
    figures = experiment(project, console, **options)
    console.result(summary(figures), figures)


def experiment(project: Project, console: Console, **options: Any) -> dict[str, Any]:
    """Design, assign and write. Returns the content of ``reports/experiment.json``.

    Raises
    ------
    UserError
        When an option is out of range, a column is missing, or there is nobody to assign.
    """
    from python_ml.decisions.uplift.design import Design, assign
    from python_ml.decisions.uplift.results import ASSIGNMENTS
    from python_ml.errors import UserError
    from python_ml.files import write_csv, write_json
    from python_ml.warehouse import read_table, write_table

    with console.step("Reading the scoring set"):
        customers = read_table(project, "gold.gld_scoring_set")
        scores = _scores(project)
        baseline = options["baseline"] if options["baseline"] is not None else _baseline(project, scores)
    entity = project.entity
    if customers.empty:
        raise UserError(
            "There is nobody to assign.", where="gold.gld_scoring_set", hint="check the churn definition and the spine"
        )
    customers = customers.sort_values(entity, ignore_index=True)
    clusters = _column(customers, options["cluster"], "--cluster") if options["cluster"] else None
    size = 1.0 if clusters is None else len(customers) / clusters.nunique(dropna=False)
    design = Design(baseline, options["share"], options["alpha"], size, options["icc"], options["explained"])
    name = options["name"] or f"{project.name} {customers['feature_timestamp'].max():%Y-%m-%d}"
    strata, strata_by = _strata(customers, scores, options["strata"], entity)
    offered = assign(
        customers[entity].to_numpy(), design.share, name, strata.to_numpy(),
        None if clusters is None else clusters.astype(str).to_numpy(),
    )  # fmt: skip
    rows = customers[[entity, "feature_timestamp"]].assign(
        stratum=strata, arm=[OFFER if one else HOLDOUT for one in offered], probability=design.share
    )
    with console.step("Writing the assignment"):
        write_table(project, ASSIGNMENTS, rows)
        write_csv(project.reports_dir / CSV, rows)
    power = options["power"]
    wanted = [options["effect"]] if options["effect"] is not None else [share * baseline for share in RELATIVE_EFFECTS]
    figures = {
        "name": name,
        "baseline": baseline,
        "share": design.share,
        "alpha": design.alpha,
        "power": power,
        "variance_factor": design.variance_factor,
        "customers": len(rows),
        "offer": int(offered.sum()),
        "strata_by": strata_by,
        "strata": int(strata.nunique()),
        "detectable_effect": design.detectable_effect(len(rows), power),
        "sample_sizes": [
            {
                "effect": effect,
                "customers": design.sample_size(effect, power),
                "power_here": design.power(effect, len(rows)),
            }
            for effect in wanted
        ],
    }
    write_json(project.reports_dir / FILE, figures)
    return figures


def summary(figures: dict[str, Any]) -> str:
    """The design in a few lines."""
    from python_ml.formatting import aligned

    detectable = figures["detectable_effect"]
    lines = [
        f"experiment `{figures['name']}`: churn {figures['baseline']:.2%} without an offer, {figures['share']:.0%} get "
        f"one, two-sided test at {figures['alpha']:g}, power {figures['power']:g}",
        f"the {figures['customers']:,} customers of the scoring set "
        + (
            f"detect a reduction of churn by {100 * detectable:.2f} points or more"
            if detectable is not None
            else "are too few to detect any reduction of churn"
        ),
        "",
        aligned(
            [
                ("reduction of churn", "customers needed", "power with the scoring set"),
                *(
                    (f"{100 * row['effect']:.2f} points", f"{row['customers']:,}", f"{row['power_here']:.0%}")
                    for row in figures["sample_sizes"]
                ),
            ]
        ),
        "",
        f"assigned: {figures['offer']:,} {OFFER}, {figures['customers'] - figures['offer']:,} {HOLDOUT}, in "
        f"{figures['strata']} strata by {figures['strata_by']}; gold.gld_experiment_assignments, reports/{CSV}",
    ]
    return "\n".join(lines)


def _scores(project: Project) -> pd.DataFrame | None:
    """The newest scores; None before the first scoring."""
    from python_ml.dbt import SCORES
    from python_ml.warehouse import connect, quote, relation, table_exists

    with connect(project) as connection:
        if not table_exists(connection, SCORES):
            return None
        scores = connection.execute(f"select {quote(project.entity)}, churn_probability from {relation(SCORES)}").df()
    return None if scores.empty else scores


def _baseline(project: Project, scores: pd.DataFrame | None) -> float:
    if scores is not None:
        return float(scores["churn_probability"].mean())
    from python_ml.warehouse import read_table

    return float(read_table(project, "gold.gld_training_set")["churned"].mean())


def _strata(
    customers: pd.DataFrame, scores: pd.DataFrame | None, columns: str | None, entity: str
) -> tuple[pd.Series, str]:
    import pandas as pd

    if columns:
        names = [name.strip() for name in columns.split(",")]
        parts = [
            _column(customers, name, "--strata").astype("object").where(lambda v: v.notna(), "missing")
            for name in names
        ]
        joined = parts[0].astype(str)
        for part in parts[1:]:
            joined = joined + ", " + part.astype(str)
        return joined, ", ".join(names)
    if scores is None:
        return pd.Series("all", index=customers.index), "nothing"
    risk = customers[[entity]].merge(scores, on=entity, how="left")["churn_probability"]
    fifths = (RISK_STRATA * risk.rank(method="first", pct=True)).map(math.ceil, na_action="ignore")
    return fifths.map("risk {:.0f}".format, na_action="ignore").fillna("not scored"), "fifths of risk"


def _column(customers: pd.DataFrame, name: str, option: str) -> pd.Series:
    from python_ml.errors import UserError

    if name not in customers:
        raise UserError(
            f"The scoring set has no column `{name}`.",
            where=option,
            hint=f"its columns: {', '.join(customers.columns)}",
        )
    return customers[name]
