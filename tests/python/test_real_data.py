"""From real files, untouched by hand, to the report: `retention init`, `retention run`, `retention replay`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.python.command_line import command, rows

DATA_SETS = {
    "online_retail": (
        "online_retail/year_2009_2010.parquet",
        ["--horizon", "90d", "--active-window", "180d"],
    ),
    "cdnow": ("cdnow/CDNOW_master.txt.gz", ["--horizon", "90d", "--active-window", "180d"]),
}


@pytest.fixture(scope="module", params=DATA_SETS)
def project(request, shared_data, tmp_path_factory) -> Path:
    """A project made from one real file, built, trained, scored and reported."""
    file, options = DATA_SETS[request.param]
    if not (shared_data / file).is_file():
        pytest.skip(f"{file} is not among the real data sets")
    folder = tmp_path_factory.mktemp("real") / request.param
    made = command(folder.parent, "init", str(folder), "--data", str(shared_data / file), *options)
    assert made.returncode == 0, made.stderr
    run = command(folder, "run")
    assert run.returncode == 0, run.stderr[-3000:]
    print(run.stdout)
    return folder


def test_the_champion_beats_recency_beyond_doubt(project):
    metrics = json.loads((project / "reports" / "metrics.json").read_text())
    champion, recency = metrics["test"]["roc_auc"], metrics["baselines"]["recency"]["test"]["roc_auc"]
    print(f"{project.name}: champion {champion}, recency {recency}")
    assert champion["low"] > recency["high"]
    assert champion["value"] < 0.9
    assert (project / "reports" / "index.html").stat().st_size > 10_000


def test_no_raw_row_is_lost(project):
    counts = rows(project, "select source_table, outcome, row_count from bronze.brz_row_counts")
    (raw,) = rows(project, "select table_name from information_schema.tables where table_schema = 'raw'")
    ((total,),) = rows(project, f'select count(*) from raw."{raw[0]}"')
    assert sum(count for _, _, count in counts) == total
    if project.name == "online_retail":
        assert total == 525_461
        assert sum(count for _, outcome, count in counts if "missing" in outcome) == 107_927
        # Cancellations stay, flagged and counted; they are neither activity nor dropped.
        assert next(count for _, outcome, count in counts if outcome.startswith("kept: takes something back")) > 5_000
        flagged = rows(project, "select table_name from information_schema.columns where column_name = 'is_reversal'")
        kept = min((name for (name,) in flagged), key=len)
        ((reversals,),) = rows(project, f'select count(*) from bronze."{kept}" where is_reversal')
        assert reversals > 5_000


def test_replay_is_exact(project):
    outcome = command(project, "replay", "--json")
    assert outcome.returncode == 0, outcome.stderr
    for replay in json.loads(outcome.stdout)["replays"]:
        assert replay["identical"]
        assert replay["rows"] > 0
