"""``retention recommend``: propose what could be done to the data, and decide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from python_ml.cli.options import Console, folder_option, json_option

if TYPE_CHECKING:
    from python_ml.recommendations import Recommendations
    from python_ml.recommendations.projects import Changes


@click.command("recommend")
@folder_option("Folder of a project that `retention init` wrote.")
@click.option("--refresh", is_flag=True, help="Look at the raw files again, rather than at what was found before.")
@click.option("--accept", multiple=True, metavar="ID", help="Accept a proposal; * stands for anything. Again for more.")
@click.option("--reject", multiple=True, metavar="ID", help="Reject a proposal; * stands for anything. Again for more.")
@click.option("--yes", is_flag=True, help="Accept whatever nobody has decided yet.")
@json_option
def command(
    folder: Path, refresh: bool, accept: tuple[str, ...], reject: tuple[str, ...], yes: bool, console: Console
) -> None:
    """Propose what could be done to the data, layer by layer, in recommendations.yaml.

    What was decided there before stays: statuses, changed parameters, notes. A decided proposal that the data does not
    suggest any more is marked `vanished`, and stands all the same. Nothing is generated: `retention generate` obeys.

    \b
    Examples:
      retention recommend
      retention recommend --refresh
      retention recommend --accept 'gold.*' --reject silver.orders.window.7d
    """
    from functools import partial

    from python_ml.onboarding.looking import PROFILE, look_again
    from python_ml.profiling import save_profile
    from python_ml.recommendations.projects import recommend_project
    from python_ml.recommendations.storage import FILE

    keep = partial(save_profile, folder=folder / PROFILE)
    look = partial(look_again, folder=folder, say=console.progress, keep=keep) if refresh else None
    with console.step("Looking at the files" if refresh else "Reading the findings"):
        found, changes = recommend_project(folder, look=look)
        console.progress(None)
    decided = found.accept(*accept).reject(*reject)
    if yes:
        decided = decided.accept_all()
    decided.write(folder / FILE)
    data = {
        "recommendations": [entry.model_dump(mode="json") for entry in decided],
        "counts": decided.counts,
        "new": changes.new,
        "vanished": changes.vanished,
        "gone": changes.gone,
    }
    console.result(_text(decided, changes, folder / FILE), data)


def _text(found: Recommendations, changes: Changes, path: Path) -> str:
    counts = found.counts
    lines = [
        f"{len(found)} recommendations in {path}: {', '.join(f'{n} {status}' for status, n in counts.items() if n)}."
    ]
    for words, names in (
        ("New", changes.new),
        ("Not suggested by the data any more; your decision stands", changes.vanished),
        ("Not suggested any more, and gone, since nobody had decided", changes.gone),
    ):
        if names:
            lines += ["", f"{words}:", *(f"    {name}" for name in names)]
    open_ones: list[Any] = [entry for entry in found if entry.status == "proposed"]
    if open_ones:
        lines += ["", "Open:", *(f"    {entry.id}\n        {entry.reason}" for entry in open_ones)]
    waiting = [entry for entry in found if entry.status == "accepted"]
    if waiting:
        lines += ["", f"{len(waiting)} accepted, and not in the code yet. Next: retention generate"]
    return "\n".join(lines)
