"""``retention generate``: write a project again, as its recommendations say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from python_ml.cli.options import ENGINES, Console, project_options

if TYPE_CHECKING:
    from python_ml.generate import Written


@click.command("generate")
@click.option(
    "--standalone",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write a pipeline for Spark that needs neither this package nor dbt, instead of the project.",
)
@click.option("--no-champion", is_flag=True, help="With --standalone: features and training only.")
@project_options(*ENGINES, opened=False)
def command(folder: Path, console: Console, standalone: Path | None, no_champion: bool) -> None:
    """Write the project again, as recommendations.yaml says.

    Accepted recommendations are applied, all others are not. A file that you edited is never overwritten: its new
    version is written to NAME.new, which dbt ignores. Copy from it what you need, then delete it. Deleted files are
    written again.

    Works in a project that `retention init` wrote. Reads recommendations.yaml and the stored profile, not the raw
    files. Writes the models, macros, configuration and documentation of the project.

    With --standalone, the project stays as it is. DIR gets the features as compiled SQL, notebooks that build them,
    train and score, and the champion as plain files: for workplaces that may not install the package. Any project works
    that was built; without a champion, DIR has features and training only.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage.

    \b
    Examples:
      retention generate
      retention generate --project-dir my_shop --json
      retention generate --standalone ../my_shop_spark
    """
    from dataclasses import asdict

    if no_champion and standalone is None:
        raise click.UsageError("--no-champion needs --standalone.")
    if standalone is not None:
        _standalone(folder, click.get_current_context().params.get("target"), standalone, console, not no_champion)
        return

    from python_ml.generate.project import generate_project

    with console.step("Writing the project"):
        written, planned, recommendations = generate_project(folder)
    for name, reason in planned.not_applied.items():
        console.warn(f"{name} is accepted, but not in the code: {reason}.")
    counts = recommendations.counts
    console.result(_text(written, counts), {**asdict(written), "not_applied": planned.not_applied, "counts": counts})


def _standalone(folder: Path, target: str | None, out: Path, console: Console, with_champion: bool) -> None:
    """Write a pipeline that needs neither this package nor dbt."""
    from dataclasses import asdict

    from python_ml.project import Project
    from python_ml.standalone.pipeline import write_standalone

    made = write_standalone(Project.open(folder), out, console, with_champion, target)
    if made.champion_version is None:
        why = "there is no champion yet" if with_champion else "--no-champion was given"
        console.warn(f"Features and training only: {why}. 03_score.py scores with the model that 02_train.py writes.")
    if made.text_features:
        console.warn(
            f"{len(made.text_features)} features of texts need an embedding model and are not computed there; training "
            "does not use them."
        )
    model = "no model" if made.champion_version is None else f"version {made.champion_version} of the model"
    lines = [
        *_file_lines(made.written),
        "",
        f"{out} holds features, training and scoring, with {model}.",
        "Next: its README.md",
    ]
    data = {
        **asdict(made.written),
        "folder": str(out),
        "champion_version": made.champion_version,
        "text_features": made.text_features,
    }
    console.result("\n".join(lines), data)


def _text(written: Written, counts: dict[str, int]) -> str:
    return "\n".join(
        [
            *_file_lines(written),
            "",
            f"{counts['applied']} recommendations applied, {counts['rejected']} rejected, {counts['proposed']} open.",
        ]
    )


def _file_lines(written: Written) -> list[str]:
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
    return lines
