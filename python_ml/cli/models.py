"""``retention models``: versions of the model, and which of them is champion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from python_ml.cli.options import ENGINES, Console, project_options

if TYPE_CHECKING:
    from python_ml.model.registry import ModelRegistry, Version
    from python_ml.project import Project

SHOWN_DIGEST = 12


@click.group("models")
def command() -> None:
    """List versions of the model; promote one, or roll back.

    `retention train` registers versions in MLflow. The version with the alias `champion` scores customers; the newest
    one that did not replace it has the alias `challenger`. Every decision is a row of gold.gld_model_promotions,
    with its figures, the user (RETENTION_USER, else that of the operating system) and the time.

    Reads the model registry. Writes its aliases and gold.gld_model_promotions. Each command below has its own --help.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage, 3 a version is no better than the champion.

    \b
    Examples:
      retention models list
      retention models promote 4
      retention models rollback
    """


@command.command("list")
@project_options(*ENGINES)
def list_(project: Project, console: Console) -> None:
    """List the versions, oldest first.

    Reads the model registry (MLflow). Writes nothing.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage.

    \b
    Example: retention models list --json
    """
    versions = _registry(project).versions()
    console.result(listing(versions), {"versions": [version.to_dict() for version in versions]})


@command.command("promote")
@click.argument("version", metavar="VERSION", type=click.IntRange(min=1))
@click.option("--force", is_flag=True, help="Promote the version even if it is no better; needs --reason.")
@click.option("--reason", metavar="TEXT", help="Why, for gold.gld_model_promotions.")
@project_options(*ENGINES)
def promote(project: Project, console: Console, version: int, force: bool, reason: str | None) -> None:
    """Make a version the champion, if it is better.

    Both models score the rows of the training set that neither was fitted on. The version replaces the champion if it
    is better in a share of resampled customers (registry.promotion in retention.yml), and no worse in calibration and,
    for columns declared sensitive, fairness. Otherwise the champion stays, and a row records the reason.

    Reads gold.gld_training_set, retention.yml and the model registry (MLflow). Writes the alias `champion`,
    gold.gld_model_promotions, and the standing in reports/metrics.json and the model card; then run `retention score`.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage, 3 the version is no better than the champion.

    \b
    Examples:
      retention models promote 4
      retention models promote 2 --force --reason "version 3 misjudges new customers"
    """
    from python_ml.errors import GateError, UserError
    from python_ml.files import locked
    from python_ml.model import store
    from python_ml.model.comparison import Decision
    from python_ml.model.promotions import judge, settle
    from python_ml.snapshots.training_rows import read_training_set

    if force and not (reason or "").strip():
        raise UserError("A promotion by force needs a reason.", where="--force", hint='add --reason "why"')
    registry = _registry(project)
    champion = registry.aliases().get("champion")
    if registry.find(version).number == champion:
        console.result(f"Version {version} is already the champion.", {"version": version, "champion": champion})
        return
    with console.step("Comparing with the champion"), locked(project.root / store.ARTIFACT_FOLDER / store.LOCK):
        if force:
            registry.files(registry.find(version))
            champion, decision = registry.aliases().get(store.ALIAS), Decision(True, f"by force: {reason}")
        else:
            decision, champion = judge(registry, version, read_training_set(project), project.settings)
        settle(project, registry, version, champion, decision)
    if not decision.promoted:
        raise GateError(
            f"Version {version} does not replace version {champion}: {decision.reason}.",
            where=registry.name,
            hint="`retention models promote VERSION --force --reason TEXT` promotes it nevertheless",
        )
    _restate(project, console, version, "promoted", f"version {version} was promoted: {decision.reason}")
    console.result(
        f"Version {version} is champion: {decision.reason}. Run `retention score`.",
        {"version": version, "previous_version": champion, **decision.to_dict()},
    )


@command.command("rollback")
@click.option("--reason", metavar="TEXT", help="Why, for gold.gld_model_promotions.")
@project_options(*ENGINES)
def rollback(project: Project, console: Console, reason: str | None) -> None:
    """Make the previous champion the champion again.

    Reads the model registry (MLflow). Writes the alias `champion`, gold.gld_model_promotions, and the standing in
    reports/metrics.json and the model card; then run `retention score`.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage, such as no earlier champion.

    \b
    Example: retention models rollback --reason "scores of new customers are off"
    """
    from python_ml.files import locked
    from python_ml.model import store
    from python_ml.model.promotions import roll_back

    registry = _registry(project)
    with locked(project.root / store.ARTIFACT_FOLDER / store.LOCK):
        now, before = roll_back(project, registry, reason)
    said = f"version {before} was rolled back" + (f": {reason}" if reason else "")
    _restate(project, console, now, "rolled back", said)
    console.result(
        f"Version {now} is champion again, in place of version {before}. Run `retention score`.",
        {"version": now, "previous_version": before},
    )


def _restate(project: Project, console: Console, champion: int, decision: str, reason: str) -> None:
    """Let the files in reports/ say who is champion now."""
    from python_ml.report import update_model_card

    if missing := update_model_card(project, {"champion": champion, "decision": decision, "reason": reason}):
        console.note(f"the model card stays as it is: {missing}")


def listing(versions: list[Version]) -> str:
    """Versions as lines of text."""
    from python_ml.formatting import aligned

    rows = [("version", "alias", "model", "test ROC AUC", "data", "registered (UTC)", "decision")]
    for version in versions:
        facts = version.to_dict()
        auc, digest = facts["test_roc_auc"], facts["dataset_sha256"]
        data = f"snapshot {facts['snapshot']}" if facts["snapshot"] else (digest or "not defined")[:SHOWN_DIGEST]
        rows.append(
            (
                str(version.number),
                ", ".join(version.aliases),
                version.model,
                "-" if auc is None else f"{auc:.3f}",
                data,
                f"{version.registered_at:%Y-%m-%d %H:%M}",
                ": ".join(text for text in (facts["decision"], facts["reason"]) if text),
            )
        )
    return aligned(rows)


def _registry(project: Project) -> ModelRegistry:
    from python_ml.errors import UserError
    from python_ml.model.registry import ModelRegistry

    registry = ModelRegistry.of(project)
    if registry is None or not registry.versions():
        raise UserError(
            "No model has been registered yet.", where=project.name, hint="run `retention train`, which registers one"
        )
    return registry
