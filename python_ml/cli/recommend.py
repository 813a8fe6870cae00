"""``retention recommend``: propose changes to the data; accept or reject them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from python_ml.cli.options import ENGINES, Console, project_options

if TYPE_CHECKING:
    from python_ml.generate.project import Changes
    from python_ml.plan import Recommendations


@click.command("recommend")
@click.option("--refresh", is_flag=True, help="Profile the raw files again, instead of using the stored profile.")
@click.option("--accept", multiple=True, metavar="ID", help="Accept by id; * matches anything. May be repeated.")
@click.option("--reject", multiple=True, metavar="ID", help="Reject by id; * matches anything. May be repeated.")
@click.option("--yes", is_flag=True, help="Accept all undecided recommendations that cannot destroy real values.")
@project_options(*ENGINES, opened=False)
def command(
    folder: Path, refresh: bool, accept: tuple[str, ...], reject: tuple[str, ...], yes: bool, console: Console
) -> None:
    """Propose changes to the data; accept or reject them.

    Recommendations are made layer by layer, each with its evidence. Earlier decisions are kept: statuses, changed
    parameters, notes. A decided recommendation that the data no longer suggests is marked `vanished`, and still
    applies. `retention generate` then applies the accepted ones.

    Works in a project that `retention init` wrote. Reads the stored profile (with --refresh: the raw files) and
    recommendations.yaml. Writes recommendations.yaml (with --refresh: also docs/profile).

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage.

    \b
    Examples:
      retention recommend
      retention recommend --refresh
      retention recommend --accept 'gold.*' --reject silver.orders.window.7d
    """
    from functools import partial

    from python_ml.generate.examination import examine_again
    from python_ml.generate.project import recommend_project
    from python_ml.leakage import find_leaks
    from python_ml.plan.recommendations import FILE
    from python_ml.report.profile_page import save_profile

    keep = partial(save_profile, folder=folder / "docs" / "profile")
    again = partial(examine_again, folder, probe=find_leaks, keep=keep, progress=console.progress) if refresh else None
    with console.step("Profiling the files" if refresh else "Reading the profile"):
        recommendations, changes = recommend_project(folder, again)
        console.progress(None)
    decided = recommendations.accept(*accept).reject(*reject)
    if yes:
        decided = decided.accept_safe()
    decided.write(folder / FILE)
    data = {
        "recommendations": [{"id": a.id, **a.model_dump(mode="json")} for a in decided],
        "counts": decided.counts,
        "new": changes.new,
        "vanished": changes.vanished,
        "gone": changes.gone,
    }
    console.result(_text(decided, changes, folder / FILE), data)


def _text(recommendations: Recommendations, changes: Changes, path: Path) -> str:
    counts = ", ".join(f"{n} {status}" for status, n in recommendations.counts.items() if n)
    lines = [f"{len(recommendations)} recommendations in {path}: {counts}."]
    for title, names in (
        ("New", changes.new),
        ("No longer suggested by the data; your decision still applies", changes.vanished),
        ("No longer suggested by the data, and removed because undecided", changes.gone),
    ):
        if names:
            lines += ["", f"{title}:", *(f"    {name}" for name in names)]
    proposed = [action for action in recommendations if action.status == "proposed"]
    if proposed:
        lines += ["", "Proposed:", *(f"    {action.id}\n        {action.reason}" for action in proposed)]
    waiting = [action for action in recommendations if action.status == "accepted"]
    if waiting:
        lines += ["", f"{len(waiting)} accepted, but not applied yet. Next: retention generate"]
    return "\n".join(lines)
