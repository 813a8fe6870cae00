"""Who is champion: decisions carried out in the registry, and kept as rows of the warehouse."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from python_ml.errors import UserError
from python_ml.model import store
from python_ml.model.comparison import Contender, Decision, decide
from python_ml.model.registry import ChampionError, ChampionFiles, ModelRegistry, Version, open_files

if TYPE_CHECKING:
    from python_ml.model.dataset import TrainingSet
    from python_ml.project import Project
    from python_ml.settings import Settings

TABLE = "gold.gld_model_promotions"
COLUMNS = {
    "decision_number": "bigint",
    "model_name": "varchar",
    "version": "integer",
    "previous_version": "integer",
    "decision": "varchar",
    "reason": "varchar",
    "decided_by": "varchar",
    "decided_at": "timestamp",
    "metric": "varchar",
    "challenger_value": "double",
    "champion_value": "double",
    "difference": "double",
    "difference_low": "double",
    "difference_high": "double",
    "compared_rows": "bigint",
    "excluded_rows": "bigint",
    "figures": "varchar",
}
PROMOTED, REFUSED, ROLLED_BACK = "promoted", "refused", "rolled back"
USER_VARIABLE = "RETENTION_USER"


def judge(registry: ModelRegistry, number: int, rows: TrainingSet, settings: Settings) -> tuple[Decision, int | None]:
    """Compare a version with the champion; changes nothing.

    Returns
    -------
    Decision
    int or None
        The champion's version, where it can be told.

    Raises
    ------
    UserError
        When there is no such version, or its own files are gone or changed.
    """
    challenger = registry.find(number)
    current = registry.aliases().get(store.ALIAS)
    if current == number:
        registry.files(challenger)
        return Decision(True, "it has the alias already"), challenger.previous
    try:
        files = registry.champion_files()
        champion = None if files is None else _contender(registry.find(files.version), files)
    except ChampionError as error:
        return Decision(True, f"the champion cannot be opened: {error.what} ({error.where})"), current
    if champion is None:
        return Decision(True, "there was no champion"), current
    return decide(_contender(challenger, registry.files(challenger)), champion, rows, settings), current


def _contender(version: Version, files: ChampionFiles) -> Contender:
    opened = open_files(files)
    return Contender(
        version.number, opened.model, opened.card, version.dataset_sha256, version.definitions, files.held_out
    )


def settle(project: Project, registry: ModelRegistry, number: int, previous: int | None, decision: Decision) -> None:
    """Carry out a decision: move the aliases, and keep it with the version and as a row.

    Parameters
    ----------
    project : Project
    registry : ModelRegistry
    number : int
        The version that it is about.
    previous : int or None
        The champion so far.
    decision : Decision
    """
    verdict = PROMOTED if decision.promoted else REFUSED
    if decision.promoted and previous is not None:
        registry.tag(number, {store.PREVIOUS_TAG: str(previous)})
    if not decision.promoted:
        if previous is None or number > previous:  # an old version that somebody asked for again is none
            registry.give(store.CHALLENGER, number)
    else:
        if registry.aliases().get(store.CHALLENGER) == number:
            registry.take(store.CHALLENGER)
        registry.give(store.ALIAS, number)
    _keep(project, registry, number, previous, verdict, decision)
    # last: a version without it was not settled, or not to the end
    registry.tag(number, {store.DECISION_TAG: verdict, store.REASON_TAG: decision.reason})


def is_settled(registry: ModelRegistry, number: int) -> bool:
    """Whether it was decided what becomes of a version, and the registry is as decided."""
    verdict = registry.find(number).tags.get(store.DECISION_TAG)
    if registry.aliases().get(store.ALIAS) == number:
        return verdict is not None and registry.is_served()
    return verdict in (REFUSED, ROLLED_BACK) and registry.is_served()  # one that was replaced may be better by now


def roll_back(project: Project, registry: ModelRegistry, reason: str | None = None) -> tuple[int, int]:
    """Make the previous champion the champion again.

    Returns
    -------
    int, int
        The version that is champion now, and the one that was.

    Raises
    ------
    UserError
        When there is no champion or none before it, or its files are gone or changed.
    """
    number = registry.aliases().get(store.ALIAS)
    if number is None:
        raise UserError("There is no champion to roll back.", where=registry.name, hint="run `retention train`")
    before = registry.find(number).previous
    if before is None:
        raise UserError(
            f"Version {number} replaced no version: there is no earlier champion.",
            where=registry.name,
            hint="`retention models promote VERSION --force --reason TEXT` makes any version champion",
        )
    registry.files(registry.find(before))  # a version that cannot be opened helps nobody
    decision = Decision(True, reason or f"version {number} was rolled back")
    registry.tag(number, {store.DECISION_TAG: ROLLED_BACK, store.REASON_TAG: decision.reason})
    registry.give(store.ALIAS, before)
    _keep(project, registry, before, number, ROLLED_BACK, decision)
    return before, number


def deciding_user() -> str:
    """Who decides: ``RETENTION_USER``, else the user of the operating system."""
    try:
        return os.environ.get(USER_VARIABLE) or getpass.getuser()
    except (KeyError, OSError):  # a container may know nobody of that number
        return "unknown"


def _keep(
    project: Project,
    registry: ModelRegistry,
    number: int,
    previous: int | None,
    verdict: str,
    decision: Decision,
) -> None:
    """Append a decision to the table, where there is a warehouse (a snapshot may outlive it)."""
    from python_ml.warehouse import connect, declare_table, has_warehouse, relation

    if not has_warehouse(project):
        return

    figures: Mapping[str, Any] = decision.figures
    row = {
        "model_name": registry.name,
        "version": number,
        "previous_version": previous,
        "decision": verdict,
        "reason": decision.reason,
        "decided_by": deciding_user(),
        "decided_at": datetime.now(UTC).replace(tzinfo=None),
        "metric": figures.get("metric"),
        "challenger_value": figures.get("challenger"),
        "champion_value": figures.get("champion"),
        "difference": figures.get("difference"),
        "difference_low": figures.get("low"),
        "difference_high": figures.get("high"),
        "compared_rows": figures.get("rows"),
        "excluded_rows": figures.get("excluded_rows"),
        "figures": json.dumps(figures, sort_keys=True),
    }
    with connect(project, read_only=False) as connection:
        declare_table(connection, TABLE, COLUMNS)
        connection.execute(
            f"insert into {relation(TABLE)} select coalesce(max(decision_number), 0) + 1, "
            f"{', '.join('?' * len(row))} from {relation(TABLE)}",
            list(row.values()),
        )
