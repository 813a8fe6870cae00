"""``retention uplift``: the effect of an offer, from draws with a randomised control."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from python_ml.cli.options import ENGINES, Console, project_options

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.project import Project

TRUTH_TABLE = "raw.raw_sim__true_uplift"
REFUSED, TOO_FEW, ESTIMATED = "refused", "too few draws", "estimated"


@click.command("uplift")
@project_options(*ENGINES)
def command(project: Project, console: Console) -> None:
    """Estimate the effect of an offer on churn.

    Needs offers that were assigned at random against a control, named under `uplift` in retention.yml. The
    randomisation is tested first; if it is rejected, no effect is reported. Then several learners are fitted on the
    earlier draws, and one is chosen out of fold. It is evaluated on the latest draws: Qini and AUUC with intervals by
    customer, the churn rate under several policies, groups that an offer harms. Finally, every customer of the scoring
    set gets an estimate. Without an experiment, `retention experiment` designs one.

    Reads the experiment's table, gold.gld_customer_features, gold.gld_training_set, gold.gld_scoring_set and
    retention.yml. Writes gold.gld_uplift_evaluation, gold.gld_uplift_curves, gold.gld_uplift_estimates and
    reports/uplift.json.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage (such as no experiment, or too few draws), 3 the arms
    were not drawn at random; then earlier estimates are removed.

    \b
    Examples:
      retention uplift
      retention uplift --project-dir my_shop --json
    """
    from python_ml.errors import GateError, UserError

    figures = uplift(project, console)
    if figures["status"] == TOO_FEW:
        raise UserError(figures["reason"], where="retention.yml, uplift", hint=figures["hint"])
    if figures["status"] == REFUSED:
        raise GateError(
            "The arms were not drawn at random, so no difference between them is an effect of the offer: "
            + "; ".join(figures["randomisation"]["reasons"])
            + ".",
            where=f"{project.settings.uplift.table} (figures: reports/uplift.json)",
            hint="design an experiment that allows it with `retention experiment`, or take `uplift.table` out",
        )
    console.result(summary(figures), figures)


def uplift(project: Project, console: Console) -> dict[str, Any]:
    """Verify, fit, measure and write. Returns the content of ``reports/uplift.json``.

    Returns
    -------
    dict
        ``status`` is ``estimated``, ``refused`` or ``too few draws``; in the last two cases no estimates are left.

    Raises
    ------
    UserError
        When no experiment is configured, or its tables or columns are missing.
    """
    from python_ml.errors import UserError

    settings = project.settings
    if not settings.uplift.is_configured:
        raise UserError(
            "No experiment is configured: without a randomised control, nothing can be called an effect of an offer.",
            where=settings.where("uplift", "table"),
            hint="name its table, time, arm and control under `uplift` (docs/guides/uplift.md), or design one with "
            "`retention experiment`",
        )
    from python_ml.decisions.uplift import results
    from python_ml.decisions.uplift.draws import check_arms, read_draws
    from python_ml.decisions.uplift.estimation import estimate_uplift
    from python_ml.decisions.uplift.prognosis import read_history
    from python_ml.decisions.uplift.randomisation import verify_randomisation
    from python_ml.warehouse import read_table, write_table

    seed = settings.training.seed
    check_arms(project)
    with console.step("Reading the experiment"):
        draws = read_draws(project)
    with console.step("Verifying the randomisation"):
        check = verify_randomisation(
            draws.experiment.inputs,
            draws.columns,
            draws.experiment.treated,
            draws.experiment.customers,
            probability=draws.stated_probability,
            contaminated=draws.contaminated,
            seed=seed,
        )
    figures = {
        "table": settings.uplift.table,
        "control": settings.uplift.control,
        "excluded": draws.excluded,
        "randomisation": check.to_dict(),
    }
    if not check.holds:
        status = TOO_FEW if check.verdict == "too few draws" else REFUSED
        return _without_estimates(
            project, figures, status, "There are too few draws: " + "; ".join(check.reasons) + "."
        )
    try:
        with console.step("Estimating uplift"):
            result = estimate_uplift(
                draws,
                settings.uplift,
                seed=seed,
                replicates=settings.training.bootstrap_replicates,
                truth=read_true_uplift(project, draws.keys),
                history=read_history(project, draws.columns),
                progress=lambda message: console.note(f"  {message}"),
            )
    except UserError as error:
        return _without_estimates(project, figures, TOO_FEW, error.what, error.hint)
    with console.step("Writing the estimates"):
        estimates = results.estimates_table(
            read_table(project, "gold.gld_scoring_set"), draws.columns, result, project.entity
        )
        write_table(project, results.EVALUATION, results.evaluation_table(result.figures))
        write_table(project, results.CURVES, result.curves)
        write_table(project, results.ESTIMATES, estimates)
    responses = estimates["response"].value_counts()
    figures |= {
        "status": ESTIMATED,
        **result.figures,
        "formulas": _formulas(),
        "responses": {name: int(responses.get(name, 0)) for name in (results.HELPED, results.NOTHING, results.HARMED)},
    }
    results.write_figures(project.reports_dir, figures)
    for warning in check.warnings:
        console.warn(warning)
    return figures


def _without_estimates(
    project: Project, figures: dict[str, Any], status: str, reason: str, hint: str | None = None
) -> dict[str, Any]:
    """Remove earlier estimates and record the reason."""
    from python_ml.decisions.uplift import results

    results.drop_estimates(project)
    figures |= {"status": status, "reason": reason, "hint": hint or "wait for more draws whose outcome is known"}
    results.write_figures(project.reports_dir, figures)
    return figures


def _formulas() -> dict[str, str]:
    from python_ml.decisions.uplift import curves, policy

    return {**curves.FORMULAS, **policy.FORMULAS}


def read_true_uplift(project: Project, keys: Any) -> Any:
    """True uplift of each draw in a simulated world, shape (n_draws,); None in a real one.

    Parameters
    ----------
    project : Project
    keys : numpy.ndarray of object
        Customer and time of each draw; see :class:`python_ml.decisions.uplift.draws.Draws`.
    """
    from python_ml.warehouse import connect, quote, relation, table_exists

    with connect(project) as connection:
        if not table_exists(connection, TRUTH_TABLE):
            return None
        entity = quote(project.entity)
        truth: pd.DataFrame = connection.execute(
            f"select {entity} || ' ' || drawn_at as draw_key, "
            "cast(churn_probability_without_offer as double) - cast(churn_probability_with_offer as double) as uplift "
            f"from {relation(TRUTH_TABLE)}"
        ).df()
    found = truth.set_index("draw_key")["uplift"].reindex(keys).to_numpy(float)
    return None if len(found) == 0 or (found != found).any() else found


def summary(figures: dict[str, Any]) -> str:
    """The result in a few lines."""
    from python_ml.formatting import Estimate

    def shown(figure: dict[str, Any], places: int = 3) -> str:
        estimate = Estimate.read(figure, places)
        return f"{estimate.text} [{estimate.interval}]" if estimate.has_interval else estimate.text

    check, test = figures["randomisation"], figures["judged"]["test"]
    balance = check["balance"]
    lines = [
        f"{check['draws']:,} draws, {check['treated']:,} treated; randomisation of the arms is not rejected"
        + (f" (AUC of the arm {balance['auc']:.3f}, p = {balance['p']:.2f})" if balance.get("p") else ""),
        f"an offer prevents {shown(figures['mean_effect']['test'])} of churn per customer on average",
        f"learner {figures['learner']}: test Qini {shown(test[figures['learner']]['qini'])}, "
        f"AUUC {shown(test[figures['learner']]['auuc'])}"
        + (f"; oracle Qini {shown(test['oracle']['qini'])}" if "oracle" in test else ""),
        f"  Qini = {figures['formulas']['qini']}",
    ]
    if figures.get("share_of_truth") is not None:
        lines.append(f"  {figures['share_of_truth']:.0%} of what a ranking by the true uplift gains over a random one")
    lines += [
        f"churn if {row['policy']} got an offer: {shown(row['aipw'])} (prevented: {shown(row['prevented'])})"
        for row in figures["policies"]
    ]
    dogs = [row for row in figures["sleeping_dogs"] if row["verdict"] == "harmed"]
    lines += [f"harmed by an offer: {row['group']}, effect {shown(row['effect'])}" for row in dogs]
    if not dogs:
        lines.append("no group is shown to be harmed by an offer")
    lines.append(", ".join(f"{count:,} customers: {name}" for name, count in figures["responses"].items()))
    return "\n".join(lines)
