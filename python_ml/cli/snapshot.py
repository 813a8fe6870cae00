"""``retention snapshot``: create, list, verify and compare training snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from python_ml.cli.options import ENGINES, Console, parse_time, project_options

if TYPE_CHECKING:
    from python_ml.project import Project


@click.group("snapshot")
def command() -> None:
    """Create, list, verify and compare training snapshots.

    A snapshot holds the rows of gold.gld_training_set whose label was known at a cutoff, and a record of their meaning:
    definitions, features, code. It never changes. Its SHA-256 covers the content, not the file: the order of the rows
    and the parquet writer do not matter; every value, name and type does.

    Reads gold.gld_training_set. Writes the folder training_snapshots of the project; on Databricks, Delta versions.
    Each command below has its own --help.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage, 3 a snapshot was changed after it was created.

    \b
    Examples:
      retention snapshot create --cutoff 2025-01-31    prints an id, such as 3-1f0c62a9d4e8
      retention train --snapshot 3                     trains on exactly these rows
      retention snapshot compare 2 3                   differences between two snapshots
      retention snapshot verify                        checks all hashes, for instance in CI
    """


@command.command("create")
@click.option(
    "--cutoff",
    metavar="DATE",
    help="Take rows with label_timestamp <= DATE (UTC). Required unless the rows have no dates.",
)
@project_options(*ENGINES)
def create(project: Project, console: Console, cutoff: str | None) -> None:
    """Create a snapshot of the rows whose label was known at a cutoff.

    A row is taken if label_timestamp <= DATE; a date without a time is its midnight. In a project made from a table
    without dates, every labelled row is taken, and --cutoff is not needed.

    Numbers are never reused, not even after a snapshot was deleted. Several processes may create snapshots at once. A
    killed process leaves no snapshot; the next one cleans up.

    Reads gold.gld_training_set, so run `retention build` first. Writes a folder in training_snapshots.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage.

    \b
    Examples:
      retention snapshot create --cutoff 2025-01-31
      retention snapshot create --cutoff 2025-01-31T12:00:00 --project-dir my_shop --json
    """
    from python_ml.snapshots import create_snapshot

    moment = None if cutoff is None else parse_time(cutoff, "--cutoff")
    with console.step("Writing and hashing the snapshot"):
        snapshot, notes = create_snapshot(project, moment)
    for note in notes:
        console.note(note)
    from python_ml.snapshots.console_text import creation_text

    console.result(creation_text(snapshot), {"snapshot": snapshot.to_dict(), "notes": notes})


@command.command("list")
@project_options(*ENGINES)
def list_(project: Project, console: Console) -> None:
    """List the snapshots, oldest first.

    Numbers without a snapshot, because it was deleted or never finished, are listed below the table.

    Reads the records of training_snapshots and checks their seals; `retention snapshot verify` also reads the rows.
    Writes nothing.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage.

    \b
    Example: retention snapshot list --json
    """
    from python_ml.snapshots import open_store
    from python_ml.snapshots.console_text import inventory_text

    store = open_store(project)
    inventory = store.inventory()
    console.result(
        inventory_text(inventory, store.place),
        {
            "place": store.place,
            "snapshots": [
                {"id": entry.id, "problem": entry.problem, **(entry.snapshot.to_dict() if entry.snapshot else {})}
                for entry in inventory.entries
            ],
            "numbers_without_snapshot": inventory.numbers_without_snapshot,
        },
    )


@command.command("verify")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@project_options(*ENGINES)
def verify(project: Project, console: Console, ids: tuple[str, ...]) -> None:
    """Check snapshots against their hashes.

    ID is a number or a whole id, as `retention snapshot list` shows it; without one, all snapshots are verified. This
    detects changed, added, removed or duplicate rows, renamed, retyped, swapped or moved columns, and changed records.
    The order of the rows may differ, and a file may have been rewritten with the same content.

    Reads the records and the rows of training_snapshots. Writes nothing.

    Exit codes: 0 unchanged, 1 internal error, 2 invalid input or usage, 3 a snapshot was changed after it was created.

    \b
    Examples:
      retention snapshot verify
      retention snapshot verify 3 --json
    """
    from python_ml.errors import GateError, UserError
    from python_ml.snapshots import open_store

    store = open_store(project)
    entries = [store.find(name) for name in ids] if ids else store.inventory().entries
    if not entries:
        raise UserError(
            "There are no snapshots to verify.", where=store.place, hint="create one with `retention snapshot create`"
        )
    with console.step(f"Verifying {len(entries)} snapshot(s)"):
        problems = {entry.id: store.verify(entry) for entry in entries}
    console.result(
        "\n".join(f"{name}: {'; '.join(changes) or 'intact'}" for name, changes in problems.items()),
        {"verified": [{"id": name, "intact": not changes, "problems": changes} for name, changes in problems.items()]},
    )
    changed = [name for name, changes in problems.items() if changes]
    if changed:
        raise GateError(
            f"{len(changed)} of {len(problems)} snapshot(s) were changed after their creation: {', '.join(changed)}.",
            where=store.place,
            hint="restore them from a backup, or delete their folders and create new ones",
        )


@command.command("compare")
@click.argument("before", metavar="ID")
@click.argument("after", metavar="ID")
@click.option("--top", type=click.IntRange(min=1), default=10, show_default=True, help="Columns shown, worst first.")
@project_options(*ENGINES)
def compare(project: Project, console: Console, before: str, after: str, top: int) -> None:
    """Compare two snapshots: definitions, columns, rows, distributions, labels.

    \b
      definitions     dbt variables and code that differ
      columns         added, removed or with another type
      rows            added, removed or changed, by key
      features        PSI and KS of each feature: stable (PSI below 0.1), shifted (up to 0.25) or strongly shifted, or
                      within chance, as samples of one distribution differ as much
      labels          churn rates with 95 % intervals by customer; labels that changed in rows of both

    Reads the two snapshots, and verifies them. Writes nothing; --json prints every column.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage, 3 a snapshot was changed after it was created.

    \b
    Example: retention snapshot compare 2 3
    """
    from python_ml.snapshots import compare_snapshots
    from python_ml.snapshots.console_text import comparison_text

    with console.step("Comparing"):
        comparison = compare_snapshots(project, before, after)
    console.result(comparison_text(comparison, top), comparison.to_dict())
