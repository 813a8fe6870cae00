"""``retention generate``: write a project again, as its recommendations say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from python_ml.cli.options import Console, folder_option, json_option

if TYPE_CHECKING:
    from python_ml.onboarding.writing import Written
    from python_ml.recommendations.obeying import Obeyed


@click.command("generate")
@folder_option("Folder of a project that `retention init` wrote.")
@json_option
def command(folder: Path, console: Console) -> None:
    """Write the project again: what was accepted in recommendations.yaml is in the code, the rest is not.

    A file that you edited is never overwritten: its new version stands beside it, as NAME.new, which dbt does not read.
    Move what you want from it and delete it. A file that you deleted is written again. Raw files are not read.

    \b
    Example: retention generate --project-dir my_shop
    """
    from dataclasses import asdict

    from python_ml.recommendations.projects import generate_project

    with console.step("Writing the project"):
        written, obeyed = generate_project(folder)
    for name, why in obeyed.missed.items():
        console.warn(f"{name} is accepted, but not in the code: {why}.")
    data = {**asdict(written), "missed": obeyed.missed, "counts": obeyed.recommendations.counts}
    console.result(_text(written, obeyed), data)


def _text(written: Written, obeyed: Obeyed) -> str:
    lines = [
        f"{len(written.written)} files written, {len(written.unchanged)} were as they should be, "
        f"{len(written.edited) + len(written.beside)} edited by you were left alone, {len(written.removed)} removed."
    ]
    for words, names in (
        ("Written", written.written),
        ("Removed, since nothing makes them any more", written.removed),
        ("Edited by you, and generated otherwise now; the new version stands in NAME.new", written.beside),
        ("Not generated any more, but edited by you, so they stay", written.left),
    ):
        if names:
            shown = [f"    {name}" for name in names[:20]]
            lines += ["", f"{words}:", *shown, *([f"    and {len(names) - 20} more"] if len(names) > 20 else [])]
    counts = obeyed.recommendations.counts
    lines += [
        "",
        f"{counts['applied']} recommendations applied, {counts['rejected']} rejected, {counts['proposed']} open.",
    ]
    return "\n".join(lines)
