"""``retention replay``: rebuild stored features from data cut off at their time, and compare."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from python_ml.cli.options import Console, parse_time, project_options
from python_ml.errors import GateError, UserError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from python_ml.project import Project


@click.command("replay")
@click.option(
    "--as-of",
    "times",
    multiple=True,
    metavar="TIME",
    help="Feature time (UTC). May be repeated.  [default: the first, middle and last]",
)
@click.option("--rehearsal", is_flag=True, help="Also make the scores of the last `retention rehearse` again.")
@project_options("duckdb")
def command(project: Project, console: Console, times: tuple[str, ...], rehearsal: bool) -> None:
    """Rebuild features from data cut off at their time, and compare.

    Features that come out identical, value for value, use nothing from the future. Without --as-of, the first, the
    middle and the last feature time are replayed. `retention leakage` uses the result as long as the stored features do
    not change.

    With --rehearsal, the scores of the last `retention rehearse` are made again from rebuilt features; without --as-of
    at the first, the middle and the last of its times.

    Reads the raw tables and gold.gld_customer_features. Writes gold.gld_feature_replays; the rebuilt tables are
    temporary.

    Exit codes: 0 identical, 1 internal error, 2 invalid input or usage, 3 a row, value or score differs.

    \b
    Examples:
      retention replay
      retention replay --as-of 2025-03-01 --as-of 2025-06-01
    """
    from python_ml.dbt import FEATURES
    from python_ml.model.replay_evidence import store_replays
    from python_ml.replay import feature_times, replay

    moments = [parse_time(text, "--as-of") for text in times]
    stored = _rehearsed(project) if rehearsal else feature_times(project)
    if not stored:
        raise UserError("No features are stored yet.", where=FEATURES, hint="run `retention build`")
    moments = moments or sorted({stored[0], stored[len(stored) // 2], stored[-1]})
    if rehearsal and (absent := [time for time in moments if time not in stored]):
        raise UserError(
            f"The rehearsal did not score at {absent[0]}.",
            where=f"--as-of (rehearsed: {stored[0]} to {stored[-1]}, {len(stored)} times)",
            hint="choose one of its times, or leave --as-of out",
        )
    scores: dict[str, dict[str, int]] = {}

    def score_again(database: Path, moment: datetime) -> None:
        if rehearsal:
            from python_ml.monitor.rehearsal.proof import differing_scores

            scores[str(moment)] = differing_scores(project, database, moment)

    with console.step(f"Replaying {', '.join(map(str, moments))}"):
        outcomes = replay(project, moments, console, score_again)
    store_replays(project, outcomes)
    for table in outcomes[0].uncut:
        console.warn(f"{table} is declared static, so it was not cut off.")
    lines = [
        f"{o.as_of}: {o.rows} rows x {o.columns} columns "
        + ("identical" if o.identical else "DIFFER")
        + f" ({sum(o.hidden.values())} raw rows hidden)"
        for o in outcomes
    ]
    lines += [
        f"{time}: {one['scores']} scores of the rehearsal, {one['differing']} differ" for time, one in scores.items()
    ]
    data = {"replays": [{**asdict(o), "identical": o.identical} for o in outcomes]}
    console.result("\n".join(lines), {**data, "rehearsal": scores} if rehearsal else data)
    different = [o for o in outcomes if not o.identical]
    if different:
        raise GateError(
            "The stored features are not what was known then.",
            where="; ".join(
                f"{o.as_of}: {o.missing} rows missing, {o.unexpected} unexpected, columns "
                + (", ".join(f"{c} ({n} rows)" for c, n in sorted(o.differing.items())) or "none")
                for o in different
            ),
            hint="look for a join or filter upstream that reads rows known at or after the feature time",
        )
    if unlike := [time for time, one in scores.items() if one["differing"]]:
        raise GateError(
            "Scores of the rehearsal cannot be made again.",
            where=f"gold.gld_rehearsal_scores, {', '.join(unlike)}",
            hint="run `retention rehearse` again: rows or libraries have changed since",
        )


def _rehearsed(project: Project) -> list[datetime]:
    """The times of the last rehearsal.

    Raises
    ------
    UserError
        When there is none.
    """
    from python_ml.monitor.rehearsal.proof import rehearsed_times

    times = rehearsed_times(project)
    if not times:
        raise UserError("There is no rehearsal yet.", where="--rehearsal", hint="run `retention rehearse`")
    return times
