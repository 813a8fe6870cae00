"""``retention monitor``: drift, performance of the scores, and alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from python_ml.cli.options import ENGINES, Console, project_options

if TYPE_CHECKING:
    from pathlib import Path

    from python_ml.monitor import Monitoring
    from python_ml.project import Project


@click.command("monitor")
@project_options(*ENGINES)
def command(project: Project, console: Console) -> None:
    """Look for drift and for scores that have become worse, and raise alerts.

    A feature time after the training is a period. Each is compared with the rows that the champion was fitted on; a
    column that is unlike them, with the same season among them, and with its usual trend:

    \b
      features     PSI, KS, Jensen-Shannon, Cramér's V, shifts of mean, quantiles, missing values and categories
      scores       the same, against the scores of the test rows
      outcome      the churn rate, as far as labels are available
      all          a classifier that tells a period from the reference by how features depend on each other

    The size of a change decides, and only where it is more than noise, with the number of features allowed for. From
    `drift` on, a change in the newest period is a breach.

    The scores of each feature time are compared with what became of the customers. Until that is known, performance is
    estimated from the calibrated probabilities, with the features' shift allowed for. A ROC AUC that is much lower than
    at training, or probabilities that are wrong, are a breach.

    Each breach is one alert, which sinks get once; one that fails gets it with the next run. In retention.yml:

    \b
      monitor:
        drift:
          psi: {warning: 0.1, drift: 0.2}
          accept:                           # is still reported, but no breach
            customer_plan: the plans were renamed in March
        performance:
          roc_auc_drop: {warning: 0.03, breach: 0.05}
        alerts:
          webhook: {url: "https://example.com/hook", secret_variable: HOOK_SECRET}

    Reads gold.gld_customer_features, gold.gld_training_set, gold.gld_churn_scores, gold.gld_score_history, the models
    and retention.yml. Writes gold.gld_feature_drift, gold.gld_data_quality, gold.gld_model_performance,
    gold.gld_alerts, reports/alerts.json, reports/monitoring.json and the page reports/monitoring.html.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage, 3 a breach that is not accepted.

    \b
    Examples:
      retention monitor --project-dir my_shop
      retention monitor --json
    """
    found, path = watch(project, console)
    for note in found.notes:
        console.note(note)
    console.result(f"{found.text}\n\npage: {path}", {"report": str(path), **found.to_dict()})
    found.enforce()


def watch(project: Project, console: Console) -> tuple[Monitoring, Path]:
    """Measure, raise alerts and write the page. Returns what was found and the path of the page.

    Raises
    ------
    UserError
        When there is no champion or no warehouse, or an accepted feature is not there.
    """
    _ = project.settings, project.entity  # a mistake in either file shows before the heavy work

    from python_ml.monitor import monitor
    from python_ml.report.monitoring_page import write_monitoring

    with console.step("Measuring drift and performance"):
        found = monitor(project)
        return found, write_monitoring(project, found)
