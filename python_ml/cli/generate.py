"""``retention generate``: write a project again, as its recommendations say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from python_ml.cli.options import ENGINES, Console, project_options

if TYPE_CHECKING:
    from python_ml.generate import Written


@click.command("generate")
@project_options(*ENGINES, opened=False)
def command(folder: Path, console: Console) -> None:
    """Write the project again, as recommendations.yaml says.

    Accepted recommendations are applied, all others are not. A file that you edited is never overwritten: its new
    version is written to NAME.new, which dbt ignores. Copy from it what you need, then delete it. Deleted files are
    written again.

    Works in a project that `retention init` wrote. Reads recommendations.yaml and the stored profile, not the raw
    files. Writes the models, macros, configuration and documentation of the project.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage.

    \b
    Examples:
      retention generate
      retention generate --project-dir my_shop --json
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
