"""``retention iterate``: what was tried, with which result, and what to try next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from python_ml.cli.options import ENGINES, Console, project_options

if TYPE_CHECKING:
    from python_ml.iterations import Iteration, IterationLog, LoggedTraining
    from python_ml.project import Project

TRIGGERS = ("INITIAL", "MANUAL", "DRIFT_DETECTED", "PERFORMANCE_DROP", "SCHEDULED")


@click.group("iterate")
def command() -> None:
    """Start, list and compare iterations; begin the next one.

    An iteration is a run of MLflow. Trainings while it is open are its child runs. It holds the recommendations that
    were applied or skipped and what came of them, what profile, relations and features were, and what the model says
    about its features. `retention retrain` starts and ends iterations of its own.

    Reads the model registry and MLflow. Writes runs to MLflow. Each command below has its own --help.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage.

    \b
    Examples:
      retention iterate start --reason "first features"
      retention train
      retention iterate next
      retention iterate compare
    """


@command.command("start")
@click.option("--trigger", type=click.Choice(TRIGGERS), help="Why.  [default: INITIAL, later MANUAL]")
@click.option("--parent", metavar="NUMBER", type=int, help="Iteration that it continues.  [default: the newest]")
@click.option("--reason", metavar="TEXT", default="", help="What is to be tried.")
@project_options(*ENGINES)
def start(project: Project, console: Console, trigger: str | None, parent: int | None, reason: str) -> None:
    """Start an iteration; trainings from now on belong to it.

    Reads recommendations.yaml or retention.yml, the stored profile, dbt's manifest and the warehouse. Writes a run to
    MLflow with these, and the stages profile, relations and features.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage, such as an iteration that is still open.

    \b
    Example: retention iterate start --reason "windows of a year"
    """
    from python_ml.errors import UserError
    from python_ml.iterations import IterationLog, Trigger

    _ = project.settings
    log = IterationLog.of(project, create=True)
    assert log is not None
    current = log.open_one()
    if current is not None:
        raise UserError(
            f"Iteration {current.number} is open.", where=project.name, hint="`retention iterate next` ends it"
        )
    if parent is not None:
        log.find(parent)
    kind = Trigger(trigger) if trigger else Trigger.MANUAL if log.iterations() else Trigger.INITIAL
    with console.step("Starting an iteration"):
        iteration = log.start(kind, reason, parent=parent)
    console.result(
        f"Iteration {iteration.number} is open. Trainings belong to it. Next: retention train", iteration.to_dict()
    )


@command.command("list")
@click.option("--metric", metavar="NAME", help="Metric of the best training.  [default: training.selection.metric]")
@project_options(*ENGINES)
def list_(project: Project, console: Console, metric: str | None) -> None:
    """List the iterations, oldest first, each with its best training.

    The best training is the one with the best metric on the validation rows. Test rows decide nothing.

    Reads MLflow. Writes nothing.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage.

    \b
    Example: retention iterate list --json
    """
    from python_ml.formatting import aligned, decimal
    from python_ml.iterations import best

    log, metric = _log(project), _metric(project, metric)
    table: list[tuple[str, ...]] = [
        ("iteration", "parent", "trigger", "status", "started (UTC)", "trainings", "best", f"validation {metric}",
         f"test {metric}", "reason")
    ]  # fmt: skip
    data = []
    for iteration in log.iterations():
        trainings = log.trainings(iteration)
        winner = best(trainings, metric)
        data.append(_entry(iteration, trainings, winner, metric))
        table.append(
            (
                str(iteration.number),
                "" if iteration.parent is None else str(iteration.parent),
                str(iteration.trigger),
                iteration.status,
                f"{iteration.started_at:%Y-%m-%d %H:%M}",
                str(len(trainings)),
                "" if winner is None else f"version {winner.version}",
                decimal(winner.value(metric)) if winner else "",
                decimal(winner.metrics.get(f"test.{metric}")) if winner else "",
                iteration.reason,
            )
        )
    console.result(aligned(table), {"metric": metric, "iterations": data})


@command.command("compare")
@click.argument("numbers", metavar="[BEFORE AFTER]", nargs=-1, type=int)
@click.option("--metric", metavar="NAME", help="Metric to compare by.  [default: training.selection.metric]")
@project_options(*ENGINES)
def compare(project: Project, console: Console, numbers: tuple[int, ...], metric: str | None) -> None:
    """Compare two iterations: metrics, features, recommendations and what came of them.

    Without numbers: the newest with a training, and its parent. Where validation rows differ, the difference of the
    metrics is partly one of the rows; `retention models promote` compares on rows that neither model was fitted on.

    Reads MLflow. Writes nothing.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage.

    \b
    Examples:
      retention iterate compare
      retention iterate compare 1 3 --metric pr_auc
    """
    from python_ml.errors import UserError
    from python_ml.iterations.comparing import compared, comparison_text, default_pair

    log, metric = _log(project), _metric(project, metric)
    if len(numbers) not in (0, 2):
        raise UserError(
            f"Two iterations are compared, not {len(numbers)}.",
            where="retention iterate compare",
            hint="name both, or none",
        )
    pair = (log.find(numbers[0]), log.find(numbers[1])) if numbers else default_pair(log, metric)
    data = compared(project, log, *pair, metric)
    console.result(comparison_text(data), data)


@command.command("next")
@click.option("--accept", is_flag=True, help="Accept the features that are proposed for exclusion.")
@click.option("--trigger", type=click.Choice(TRIGGERS[1:]), default="MANUAL", show_default=True, help="Why.")
@click.option("--reason", metavar="TEXT", default="", help="What is to be tried.")
@project_options(*ENGINES)
def next_(project: Project, console: Console, accept: bool, trigger: str, reason: str) -> None:
    """End the open iteration, refine the recommendations, and start the next one.

    Diagnoses the best model of the iteration, unless that was done (`retention diagnose`). Features whose importance
    is low in every fit and at every feature time are proposed for exclusion: in recommendations.yaml, or, with
    --accept, in features.exclude of retention.yml. Segments in which the model is worse give ideas for features.

    Reads MLflow, the model, gold.gld_training_set and gold.gld_model_diagnostics. Writes to MLflow what came of the
    iteration and a run for the next one, and recommendations.yaml or (with --accept) retention.yml.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage, such as no open iteration or no training in it.

    \b
    Examples:
      retention iterate next
      retention iterate next --accept --reason "without what does not matter"
    """
    from python_ml.errors import UserError
    from python_ml.iterations import Trigger, best
    from python_ml.iterations.conclusion import conclude, model_feedback
    from python_ml.iterations.refinement import refine
    from python_ml.project import Project

    log = _log(project)
    iteration = log.open_one()
    if iteration is None:
        raise UserError("No iteration is open.", where=project.name, hint="run `retention iterate start`")
    winner = best(log.trainings(iteration), _metric(project, None))
    if winner is None or winner.version is None:
        raise UserError(
            f"Nothing was trained in iteration {iteration.number}.", where=project.name, hint="run `retention train`"
        )
    with console.step(f"Diagnosing version {winner.version}"):
        feedback = model_feedback(project, log, winner.version, progress=lambda message: console.note(f"  {message}"))
    with console.step(f"Ending iteration {iteration.number}"):
        conclusion = conclude(project, log, iteration, feedback)
        refinement = refine(project, feedback, iteration.number, accept=accept)
    fresh = Project.open(project.root, project.target)  # retention.yml may have changed
    with console.step("Starting the next iteration"):
        following = type(log).of(fresh, create=True).start(Trigger(trigger), reason, parent=iteration.number)
    lines = [f"Iteration {iteration.number} ended: best is version {winner.version}.", refinement.step]
    if feedback.unstable:
        lines.append(f"Importance depends on the sample of customers: {', '.join(feedback.unstable)}.")
    lines += [f"Idea: {idea}" for idea in feedback.ideas]
    lines.append(f"Iteration {following.number} is open.")
    console.result(
        "\n".join(lines),
        {
            "ended": iteration.number,
            "best": winner.to_dict(_metric(project, None)),
            "recommendations": [one.to_dict() for one in conclusion.recommendations],
            "feedback": feedback.to_dict(),
            "proposed": refinement.proposed,
            "decided_before": refinement.decided,
            "accepted": refinement.accepted,
            "started": following.to_dict(),
        },
    )


def _log(project: Project) -> IterationLog:
    from python_ml.errors import UserError
    from python_ml.iterations import IterationLog

    log = IterationLog.of(project)
    if log is None or not log.iterations():
        raise UserError("There are no iterations yet.", where=project.name, hint="run `retention iterate start`")
    return log


def _metric(project: Project, metric: str | None) -> str:
    from python_ml.errors import UserError
    from python_ml.formatting import METRIC_TITLES

    if metric is not None and metric not in METRIC_TITLES:
        raise UserError(
            f"There is no metric `{metric}`.", where="--metric", hint=f"choose one of {', '.join(METRIC_TITLES)}"
        )
    return metric or project.settings.training.selection.metric


def _entry(
    iteration: Iteration, trainings: list[LoggedTraining], winner: LoggedTraining | None, metric: str
) -> dict[str, Any]:
    return {
        **iteration.to_dict(),
        "trainings": [one.to_dict(metric) for one in trainings],
        "best": winner.to_dict(metric) if winner else None,
    }
