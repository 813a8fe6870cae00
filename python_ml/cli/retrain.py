"""``retention retrain``: train a challenger when the evidence asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from python_ml.cli.options import ENGINES, Console, project_options

if TYPE_CHECKING:
    from python_ml.monitor.retraining import RetrainingDecision
    from python_ml.project import Project


@click.command("retrain")
@click.option("--check", is_flag=True, help="Decide only.")
@click.option("--force", is_flag=True, help="Train whatever the evidence; needs --reason.")
@click.option("--reason", metavar="TEXT", help="Why, for gold.gld_retraining_decisions.")
@project_options(*ENGINES)
def command(project: Project, console: Console, check: bool, force: bool, reason: str | None) -> None:
    """Train a challenger when the evidence asks for it.

    Triggers, all under `retraining` in retention.yml: a drop of the realised or the estimated performance, drift of
    features that the champion uses, its age, and the number of new labelled rows; age and new rows go by the data, not
    by the clock. If one fires and there are labelled rows that are newer than those of the newest version, a
    challenger is trained and compared with the champion as by `retention train`. The training is an iteration of its
    own (`retention iterate list`).

    Reads gold.gld_feature_drift, gold.gld_model_performance (where they exist), gold.gld_training_set, MLflow and
    retention.yml. Writes gold.gld_retraining_decisions, and what `retention train` writes.

    Exit codes: 0 done, or nothing to do, 1 internal error, 2 invalid input or usage, 3 the challenger was refused (the
    champion stays), or a gate stopped the training.

    \b
    Examples:
      retention monitor; retention retrain
      retention retrain --check --json
      retention retrain --force --reason "a new price list"
    """
    from python_ml.errors import UserError

    if force and not (reason or "").strip():
        raise UserError("A retraining by force needs a reason.", where="--force", hint="add --reason TEXT")
    data, text = retrain(project, console, check=check, forced=reason if force else None)
    console.result(text, data)
    refuse(data)


def retrain(
    project: Project, console: Console, *, check: bool = False, forced: str | None = None
) -> tuple[dict[str, Any], str]:
    """Decide, and carry out the decision unless it is only a check.

    Returns
    -------
    dict
        The decision with ``decision_number``, and where a challenger was trained ``iteration``, ``registration``.
    str
        The same as text.
    """
    settings, _ = project.settings, project.entity  # a mistake in either file shows before the heavy work

    from python_ml.monitor.retraining import RETRAIN, decide_retraining
    from python_ml.monitor.retraining_evidence import gather_evidence
    from python_ml.monitor.retraining_table import store_decision

    with console.step("Looking at the evidence"):
        decision = decide_retraining(gather_evidence(project), settings.retraining, forced)
        number = store_decision(project, decision, is_check=check)
    for note in decision.evidence.missing:
        console.note(note)
    data = {"decision_number": number, **decision.to_dict()}
    lines = [f"{decision.decision}: {decision.reason}."]
    lines += [f"  {one.name}: {'fired' if one.fired else 'did not fire'} ({one.reason})" for one in decision.triggers]
    if decision.decision != RETRAIN or check:
        return data, "\n".join(lines)
    data |= _trained(project, console, decision, number)
    made = data["registration"]
    lines.append(f"Iteration {data['iteration']}, version {made['version']}: {made['decision']}: {made['reason']}.")
    if made["champion"] == made["version"]:
        lines.append(f"Version {made['version']} is champion. Run `retention score`.")
    return data, "\n".join(lines)


def _trained(project: Project, console: Console, decision: RetrainingDecision, number: int) -> dict[str, Any]:
    """Train a challenger as an iteration, and add to the decision what came of it."""
    from python_ml.cli.train import train
    from python_ml.errors import RetentionError
    from python_ml.iterations import IterationLog
    from python_ml.iterations.conclusion import conclude
    from python_ml.monitor.retraining_table import store_outcome

    log = IterationLog.of(project, create=True)
    assert log is not None
    iteration = log.start(iteration_trigger(decision.trigger), decision.reason, is_automatic=True)
    try:
        registration = train(project, console, iteration=iteration.run_id)["registration"]
    except RetentionError as error:
        conclude(project, log, iteration, status="FAILED")
        store_outcome(project, number, iteration=iteration.number, challenger=None, outcome="failed", reason=error.what)
        raise
    conclude(project, log, log.find(iteration.number))
    is_champion = registration["champion"] == registration["version"]
    store_outcome(
        project,
        number,
        iteration=iteration.number,
        challenger=registration["version"],
        outcome="promoted" if is_champion else "refused",
        reason=registration["reason"],
    )
    return {"iteration": iteration.number, "registration": registration}


def iteration_trigger(name: str | None) -> Any:
    """The trigger of an iteration that a retraining starts."""
    from python_ml.iterations import Trigger
    from python_ml.monitor import retraining

    return {
        retraining.FIRST: Trigger.INITIAL,
        retraining.PERFORMANCE: Trigger.PERFORMANCE_DROP,
        retraining.ESTIMATE: Trigger.PERFORMANCE_DROP,
        retraining.DRIFT: Trigger.DRIFT_DETECTED,
        retraining.SCHEDULE: Trigger.SCHEDULED,
        retraining.VOLUME: Trigger.SCHEDULED,
    }.get(name or "", Trigger.MANUAL)


def refuse(data: dict[str, Any]) -> None:
    """Exit with 3 where the challenger does not replace the champion.

    Raises
    ------
    GateError
        Names both versions.
    """
    from python_ml.errors import GateError

    made = data.get("registration")
    if made and made["champion"] != made["version"]:
        raise GateError(
            f"Version {made['version']} does not replace version {made['champion']}: {made['reason']}.",
            where="gold.gld_retraining_decisions",
            hint="`retention iterate compare` and `retention diagnose` help to find out why",
        )
