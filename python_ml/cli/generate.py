"""``retention generate``: write a project again, as its recommendations are now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from python_ml.cli.options import Console, folder_option, json_option

if TYPE_CHECKING:
    from python_ml.generate import Written


@click.command("generate")
@folder_option("Folder of a project that `retention init` wrote.")
@json_option
def command(folder: Path, console: Console) -> None:
    """Write the project again: what was accepted in recommendations.yaml is in the code, the rest is not.

    A file that you edited is never overwritten: its new version is written as NAME.new, which dbt does not read.
    Move what you want from it and delete it. A file that you deleted is written again. Raw files are not read.

    \b
    Example: retention generate --project-dir my_shop
    """
    from dataclasses import asdict

    from python_ml.generate.project import generate_project

    with console.step("Writing the project"):
        written, planned, recommendations = generate_project(folder)
    for name, reason in planned.not_applied.items():
        console.warn(f"{name} is accepted, but not in the code: {reason}.")
    counts = recommendations.counts
    console.result(_text(written, counts), {**asdict(written), "not_applied": planned.not_applied, "counts": counts})


def _text(written: Written, counts: dict[str, int]) -> str:
    lines = [
        f"{len(written.written)} files written, {len(written.unchanged)} unchanged, "
        f"{len(written.edited) + len(written.conflicts)} edited by you and kept, {len(written.removed)} removed."
    ]
    for title, names in (
        ("Written", written.written),
        ("Removed, since nothing generates them any more", written.removed),
        ("Edited by you, and generated differently now; the new version is in NAME.new", written.conflicts),
        ("Not generated any more, but edited by you, so they are kept", written.kept),
    ):
        if names:
            shown = [f"    {name}" for name in names[:20]]
            lines += ["", f"{title}:", *shown, *([f"    and {len(names) - 20} more"] if len(names) > 20 else [])]
    lines += [
        "",
        f"{counts['applied']} recommendations applied, {counts['rejected']} rejected, {counts['proposed']} open.",
    ]
    return "\n".join(lines)
