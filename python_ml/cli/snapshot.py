"""``retention snapshot``: freeze the training set, list, verify and compare what was frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from python_ml.cli.options import Console, parse_time, project_options

if TYPE_CHECKING:
    from python_ml.project import Project


@click.group("snapshot")
def command() -> None:
    """Freeze the training set: numbered, hashed, verified.

    A snapshot holds the rows of gold.gld_training_set whose label was known at a cutoff, and a record of what they
    mean: definitions, features, code. It never changes. Its SHA-256 is over what the rows say, not over a file: another
    order of rows or another parquet writer changes nothing; one value, one name, one type does.

    \b
    Examples, towards a model that can be made again in a year:
      retention snapshot create --cutoff 2025-01-31    prints an id, such as 3-1f0c62a9d4e8
      retention train --snapshot 3                     trains on exactly these rows, however the warehouse changes
      retention snapshot compare 2 3                   what is different since the last one
      retention snapshot verify                        nothing was touched: good for CI

    Snapshots live in the folder training_snapshots of the project; on Databricks they are Delta versions. Each command
    below has its own --help, and --json for programs.
    """


@command.command("create")
@click.option(
    "--cutoff",
    metavar="DATE",
    help="Take rows with label_timestamp <= DATE (UTC). Needed unless the rows have no dates of their own.",
)
@project_options("duckdb", "databricks")
def create(project: Project, console: Console, cutoff: str | None) -> None:
    """Freeze the rows whose label was known at a cutoff.

    Reads gold.gld_training_set, so run `retention build` before. A row is taken when its outcome was known:
    label_timestamp <= DATE, and a bare date is its midnight. In a project made from a table without dates every
    labelled row is taken, and --cutoff may be left out.

    A number is given once, even if its snapshot is deleted later, and several processes may create at once. When the
    process is killed, there is no snapshot, and the next one cleans up.

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
    from python_ml.snapshots.console_text import created

    console.result(created(snapshot), {"snapshot": snapshot.to_dict(), "notes": notes})


@command.command("list")
@project_options("duckdb", "databricks")
def list_(project: Project, console: Console) -> None:
    """List the snapshots, oldest first.

    Records are held against their seals; rows are not read (`retention snapshot verify` does that). Numbers without a
    snapshot, because it was deleted or never finished, are named below the table.

    \b
    Example: retention snapshot list --json
    """
    from python_ml.snapshots import open_store
    from python_ml.snapshots.console_text import listed

    store = open_store(project)
    inventory = store.inventory()
    console.result(
        listed(inventory, store.place),
        {
            "place": store.place,
            "snapshots": [
                {"id": entry.id, "problem": entry.problem, **(entry.snapshot.to_dict() if entry.snapshot else {})}
                for entry in inventory.entries
            ],
            "numbers_without_snapshot": inventory.gone,
        },
    )


@command.command("verify")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@project_options("duckdb", "databricks")
def verify(project: Project, console: Console, ids: tuple[str, ...]) -> None:
    """Read snapshots again and compare them with their hashes.

    ID is a number or a whole id, as `retention snapshot list` shows it; without one, all are verified. This finds
    changed, added, removed or duplicate rows, renamed, retyped, swapped or moved columns, and changed records. The
    order of rows may differ, and so may files that another program rewrote with the same content.

    \b
    Examples:
      retention snapshot verify
      retention snapshot verify 3 --json

    Exit code 3 when a snapshot is not what it was; it says what is different.
    """
    from python_ml.errors import GateError, UserError
    from python_ml.snapshots import open_store

    store = open_store(project)
    entries = [store.find(wanted) for wanted in ids] if ids else store.inventory().entries
    if not entries:
        raise UserError(
            "There are no snapshots to verify.", where=store.place, hint="make one with `retention snapshot create`"
        )
    with console.step(f"Verifying {len(entries)} snapshot(s)"):
        problems = {entry.id: store.verify(entry) for entry in entries}
    console.result(
        "\n".join(f"{name}: {'; '.join(found) if found else 'as it was made'}" for name, found in problems.items()),
        {"verified": [{"id": name, "whole": not found, "problems": found} for name, found in problems.items()]},
    )
    broken = [name for name, found in problems.items() if found]
    if broken:
        raise GateError(
            f"{len(broken)} of {len(problems)} snapshot(s) are not what they were: {', '.join(broken)}.",
            where=store.place,
            hint="bring them back from a backup, or delete their folders and make new ones",
        )


@command.command("compare")
@click.argument("before", metavar="ID")
@click.argument("after", metavar="ID")
@click.option("--top", type=click.IntRange(min=1), default=10, show_default=True, help="Columns shown, worst first.")
@project_options("duckdb", "databricks")
def compare(project: Project, console: Console, before: str, after: str, top: int) -> None:
    """Say how the second snapshot differs from the first.

    Both are verified first. Told are: definitions and code; columns that came, went or changed type; rows that came,
    went or changed, by their key; how each feature is distributed, by PSI and KS, with a word for it (PSI below 0.1
    stable, up to 0.25 shifted, above it strongly shifted, unless chance alone does as much); and the churn rate with
    95 % intervals by customer, and labels that changed for rows in both. --json has every column.

    \b
    Example: retention snapshot compare 2 3
    """
    from python_ml.snapshots import compare_snapshots
    from python_ml.snapshots.console_text import compared

    with console.step("Comparing"):
        found = compare_snapshots(project, before, after)
    console.result(compared(found, top), found.to_dict())
