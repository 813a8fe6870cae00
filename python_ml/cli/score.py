"""``retention score``: score customers with the champion, with reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from python_ml.cli.options import ENGINES, Console, project_options

if TYPE_CHECKING:
    from python_ml.project import Project

MODELS = "gld_churn_scores_raw+ gld_churn_reasons_raw+"
PYTHON_MODELS = ["gld_churn_scores_raw", "gld_churn_reasons_raw"]
LATER = "gld_retention_actions_raw+"  # depend on the scores, but are made by `retention act`


@click.command("score")
@project_options(*ENGINES)
def command(project: Project, console: Console) -> None:
    """Score customers with the champion, with reasons.

    Every customer at risk at the newest feature time gets a probability, a risk band and reasons in sentences.

    Reads gold.gld_scoring_set and the champion. Writes gold.gld_churn_scores, gold.gld_churn_reasons and the models
    that depend on them, with dbt, except for the action list, which `retention act` makes; gold.gld_survival_estimates;
    and adds the scores to gold.gld_score_history, once per feature time and model version.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage, 3 the scoring set fails a critical quality check
    (see `retention quality`); then nothing is scored.

    \b
    Example: retention score --project-dir my_shop
    """
    from python_ml.project import is_dateless

    result = score(project, console)
    when = "in the snapshot" if is_dateless(project.vars) else f"as of {result['feature_timestamp']}"
    bands = ", ".join(f"{count:,} {band}" for band, count in result["risk_bands"].items())
    console.result(
        f"{result['customers']:,} customers scored by {result['model_name']} version {result['model_version']} "
        f"{when}: {bands} risk{' by rank' if result['band_kind'] == 'rank' else ''}",
        result,
    )


def score(project: Project, console: Console) -> dict[str, Any]:
    """Build the scoring models with dbt and count customers per risk band.

    Raises
    ------
    UserError
        When there is no champion yet, or nobody to score.
    GateError
        When the customers to score fail a critical quality check.
    """
    from python_ml.cli.build import run_with_python
    from python_ml.dbt import SCORING_SET, dbt_process, feature_registry
    from python_ml.errors import UserError
    from python_ml.monitor.history import keep_scores
    from python_ml.warehouse import connect

    project.settings  # noqa: B018 - a mistake there shows before the heavy work
    with dbt_process(project, parse=True):  # in the meantime, this process imports the model's libraries
        from python_ml.cli.quality import check_scoring_set
        from python_ml.decisions.survival.scoring import write_estimates
        from python_ml.model.fitted_features import require_same_components
        from python_ml.model.registry import require_champion
        from python_ml.model.risk_bands import BANDS
        from python_ml.model.score import handed_over
        from python_ml.warehouse import read_table

        champion = require_champion(project)
        require_same_components(champion.card, {feature.fit for feature in feature_registry(project)})
        frame = read_table(project, SCORING_SET)
        check_scoring_set(project, console, champion, frame)
        with (
            console.step("Scoring"),
            handed_over(frame, champion, project.entity, project.settings.scoring.reasons) as variables,
        ):
            arguments = ["build", "--select", MODELS, "--exclude", LATER]
            run_with_python(project, PYTHON_MODELS, arguments, console, variables)
    with connect(project) as connection:
        counted = connection.execute(
            "select risk_band, count(*), any_value(model_name), any_value(model_version), max(feature_timestamp) "
            "from gold.gld_churn_scores group by risk_band"
        ).fetchall()
    if not counted:
        raise UserError(
            "There was nobody to score.",
            where="gold.gld_scoring_set",
            hint="check that customers are at risk at the newest feature time (churn definition, active_window)",
        )
    keep_scores(project)
    with console.step("Estimating survival"):
        if missing := write_estimates(project, frame, champion):
            console.note(f"  no survival estimates: {missing}")
    bands = dict.fromkeys(BANDS, 0) | {row[0]: row[1] for row in counted}
    newest = max(row[4] for row in counted)
    return {
        "customers": sum(bands.values()),
        "risk_bands": bands,
        "band_kind": (champion.card.band_origin or {"kind": "rank"})["kind"],
        "model_name": counted[0][2],
        "model_version": counted[0][3],
        "feature_timestamp": newest.isoformat(),
    }
