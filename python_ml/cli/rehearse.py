"""``retention rehearse``: production rehearsed through history."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from python_ml.cli.options import Console, parse_time, project_options

if TYPE_CHECKING:
    from python_ml.project import Project


@click.command("rehearse")
@click.option("--from", "start", metavar="TIME", help="First feature time (UTC).  [default: 12 steps before the last]")
@click.option("--to", "end", metavar="TIME", help="Last feature time (UTC).  [default: the newest]")
@click.option("--restart", is_flag=True, help="Begin anew, even if an earlier rehearsal could be resumed.")
@project_options("duckdb")
def command(project: Project, console: Console, start: str | None, end: str | None, restart: bool) -> None:
    """Rehearse production through history.

    At each stored feature time from --from to --to, the project is built from the rows that were known before it; its
    customers are scored by the champion of that time, who is contacted is decided, drift and performance are monitored,
    and where a trigger of `retraining` fires a challenger is trained and compared. At the end, what became of the
    customers says how good the scores and lists were, also those of a model that was never retrained and of one that
    always was.

    A rehearsal that was killed goes on where it was, as long as rows, settings and code are the same, and comes to the
    same result. The project's own models, scores and decisions are not touched. `rehearsal.models` in retention.yml
    chooses cheaper models.

    Reads the raw tables, gold.gld_customer_features, gold.gld_training_set and retention.yml.
    Writes gold.gld_rehearsal, gold.gld_rehearsal_scores, reports/rehearsal.json and reports/rehearsal.html; models and
    finished steps are in target/rehearsal. `retention replay --rehearsal` makes the scores again.

    Exit codes: 0 done, 1 internal error or a failed model of dbt, 2 invalid input or usage (also a history that is too
    short for the first training), 3 a column is likely to know the outcome.

    \b
    Examples:
      retention rehearse
      retention rehearse --from 2024-08-01 --to 2025-07-01 --json
    """
    _ = project.settings, project.entity  # a mistake in either file shows before the heavy work

    from python_ml.files import write_json
    from python_ml.monitor.rehearsal.rehearsing import rehearse, steps_between
    from python_ml.monitor.rehearsal.tables import summary

    first, last = (parse_time(text, option) if text else None for text, option in ((start, "--from"), (end, "--to")))
    times = steps_between(project, first, last)
    with console.step(f"Rehearsing {times[0]} to {times[-1]}, {len(times)} steps"):
        found, _ = rehearse(project, times, console, restart=restart)

    from python_ml.report.rehearsal_page import write_rehearsal

    write_json(project.reports_dir / "rehearsal.json", found, default=str)
    path = write_rehearsal(project, found)
    console.result(f"{summary(found)}\n\nreport: {path}", {"report": str(path), **found})
