"""``retention run``: every step, from raw data to the report."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from python_ml.cli.options import ENGINES, Console, project_options

if TYPE_CHECKING:
    from pathlib import Path

    from python_ml.monitor import Monitoring
    from python_ml.project import Project


@click.command("run")
@project_options(*ENGINES)
def command(project: Project, console: Console) -> None:
    """Build, replay, train, score, act, monitor and report.

    Runs `retention build`, `replay` (of one feature time on DuckDB, as evidence for the leakage check), `train`,
    `backtest` (unless `backtest.enabled` in retention.yml is false), `score`, `uplift` (where retention.yml names an
    experiment), `act`, `explain`, `dashboard` (without counterfactuals), `monitor` and `report`, with the leakage and
    quality gates before training and scoring. A breach that monitoring finds is a warning here; `retention monitor`
    ends with exit code 3.

    Reads the raw data, dbt_project.yml and retention.yml. Writes what these commands write; at the end
    reports/index.html and reports/metrics.json.

    Exit codes: 0 done, 1 internal error or a failed model or test of dbt, 2 invalid input or usage, 3 a leakage or
    quality gate failed.

    \b
    Example: retention run --project-dir my_shop
    """
    metrics, found, path = run(project, console)
    console.result(summary_line(metrics, path), {"report": str(path), **metrics, "monitoring": found.to_dict()})


def run(project: Project, console: Console) -> tuple[dict[str, Any], Monitoring, Path]:
    """Run all steps with one process of dbt.

    Returns
    -------
    dict
        Content of ``metrics.json``.
    Monitoring
        What ``retention monitor`` found.
    Path
        Of the report.
    """
    from python_ml.cli.act import act
    from python_ml.cli.build import build, lacks_packages
    from python_ml.cli.dashboard import dashboard
    from python_ml.cli.explain import explain
    from python_ml.cli.monitor import watch
    from python_ml.cli.report import report
    from python_ml.cli.score import MODELS, score
    from python_ml.cli.train import train
    from python_ml.dbt import dbt_process

    with dbt_process(project, parse=not lacks_packages(project)):
        # What the later steps need is imported while dbt parses.
        import python_ml.model.train  # noqa: F401
        from python_ml.model.store import library

        library()
        build(project, console, exclude=MODELS)  # scores wait for the champion of this run
        prove(project, console)
        metrics = train(project, console)
        if project.settings.backtest.enabled:
            backtest_where_possible(project, console)
        score(project, console)
        measure_offers(project, console)
        act(project, console)
    explain(project, console)
    dashboard(project, console)
    try:
        found, _ = watch(project, console)
        console.note(found.summary)
        for note in found.notes if found.compared else ():
            console.note(note)
        for breach in found.breaches:
            console.warn(breach.what)
    finally:  # a mistake in the settings of monitoring costs nobody the report
        path = report(project, console)
    return metrics, found, path


def backtest_where_possible(project: Project, console: Console) -> None:
    """Backtest the new champion; if the history is too short, warn and remove older figures."""
    from python_ml.cli.backtest import backtest
    from python_ml.model.backtest_table import forget_backtest
    from python_ml.model.origins import ShortHistoryError

    try:
        backtest(project, console)
    except ShortHistoryError as error:
        forget_backtest(project)
        console.warn(f"no backtest: {error}")


def prove(project: Project, console: Console) -> None:
    """Replay the middle one of the stored feature times, where they are times and the engine can."""
    from python_ml.model.replay_evidence import store_replays, stored_replays
    from python_ml.project import is_dateless
    from python_ml.replay import feature_times, replay
    from python_ml.warehouse import DUCKDB, engine

    if (kind := engine(project)) != DUCKDB:
        console.note(f"No feature time is replayed: a replay runs on DuckDB, and this target on {kind}.")
        return
    times = [] if is_dateless(project.vars) else feature_times(project)
    if not times or stored_replays(project):
        return
    moment = times[len(times) // 2]
    with console.step(f"Replaying {moment}"):
        (outcome,) = replay(project, [moment], console)
    store_replays(project, [outcome])
    if not outcome.identical:
        console.warn(f"the replay of {moment} gave other values: see `retention replay --as-of {moment:%Y-%m-%d}`")


def measure_offers(project: Project, console: Console) -> None:
    """Estimate uplift where an experiment is configured; without an estimate the run continues."""
    if not project.settings.uplift.is_configured:
        forget_offers(project)
        return
    from python_ml.cli.uplift import ESTIMATED, uplift

    figures = uplift(project, console)
    if figures["status"] != ESTIMATED:
        reasons = figures["randomisation"]["reasons"] or [figures["reason"]]
        console.warn(f"no uplift is estimated ({figures['status']}): {'; '.join(reasons)}")


def forget_offers(project: Project) -> None:
    """Remove the results of an experiment that is no longer configured."""
    from python_ml.decisions.uplift.results import FILE, drop_estimates

    path = project.reports_dir / FILE
    if path.is_file():
        drop_estimates(project)
        path.unlink()


def summary_line(metrics: dict, path: object) -> str:
    """One line: the champion's test metrics, what it is measured against, and where the report is."""
    from python_ml.model.results import interval

    figure = partial(interval, undefined="not defined")
    crossed = metrics.get("split", {}).get("kind") == "cross_validation"
    measured = "cross-validated" if crossed else "test"
    parts = [f"{metrics['champion']['name']}: {measured} ROC AUC {figure(metrics['test']['roc_auc'])}"]
    parts += [f"NOT TO BE TRUSTED: {reason}" for reason in metrics.get("not_trusted_because", [])]
    parts += [
        f"{name} {figure(baseline['test']['roc_auc'])}" for name, baseline in metrics.get("baselines", {}).items()
    ]
    parts += [
        f"PR AUC {figure(metrics['test']['pr_auc'])}",
        f"Brier {figure(metrics['test']['brier'])}",
        f"lift at 10 % {figure(metrics['test']['lift_at_10pct'])}",
        f"report: {path}",
    ]
    return "; ".join(parts)
