"""`retention snapshot create` against DuckDB writing the same rows to parquet.

    python -m tests.bench.snapshots                 a million rows of 100 columns
    python -m tests.bench.snapshots --rows 1e5

Both read the same table in turn, in one process, with as many threads as there are cores; the figure is the ratio of
their medians. Creating includes the rows, their hash, the record, and waiting for the disk; DuckDB's time is that of
its COPY alone. Verifying is measured, too.
"""

from __future__ import annotations

import json
import statistics
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from .case import peak_mib, timed
from .commands import against_duckdb

LIMIT_RATIO = 3.0
COLUMNS = 100
CUTOFF = datetime(2030, 1, 1)
# What features are: mostly doubles, many counts with nulls, some words and truth values.
KINDS = (
    "(hash(i * {n}) % 1000000) / 7.0",
    "case when hash(i * {n}) % 10 > 0 then (hash(i * {n} + 1) % 1000000) / 100.0 end",
    "sqrt((hash(i * {n}) % 100000)::double)",
    "exp((hash(i * {n}) % 1000) / 250.0)",
    "(hash(i * {n}) % 90)::double",
    "case when hash(i * {n}) % 10 > 0 then (hash(i * {n} + 1) % 50)::bigint end",
    "(hash(i * {n}) % 1000)::bigint",
    "(hash(i * {n}) % 12)::integer",
    "['basic', 'standard', 'premium', 'größer'][1 + (hash(i * {n}) % 4)::integer]",
    "hash(i * {n}) % 2 = 0",
)


def make_project(folder: Path, rows: int) -> None:
    """Write a project as dbt leaves it, with a training set of 36 feature times."""
    features = [f"feature_{n}" for n in range(COLUMNS - 4)]
    chosen = [f"{KINDS[n % len(KINDS)].format(n=n + 3)} as {name}" for n, name in enumerate(features)]
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute("create schema gold")
        connection.execute(f"""
            create table gold.gld_training_set as
            select
                'C' || lpad((i // 36)::varchar, 7, '0') as customer_id,
                timestamp '2022-01-01' + to_days((i % 36)::integer * 30) as feature_timestamp,
                {", ".join(chosen)},
                (hash(i) % 10 = 0)::integer as churned,
                timestamp '2022-01-31' + to_days((i % 36)::integer * 30) as label_timestamp
            from range({rows}) as t(i)
            order by hash(i)
        """)
    (folder / "dbt_project.yml").write_text("name: bench\nvars: {entity: customer_id, horizon: 30d}\n", "utf-8")
    (folder / "target").mkdir()
    columns = {name: {"name": name, "config": {"meta": {"role": "feature"}}} for name in features}
    node = {"resource_type": "model", "name": "gld_customer_features", "columns": columns}
    (folder / "target" / "manifest.json").write_text(json.dumps({"nodes": {"model.bench.features": node}}), "utf-8")


def measure(folder: Path, rows: int, repeats: int) -> dict[str, Any]:
    """Seconds of both, the ratio, and the peak of memory.

    Parameters
    ----------
    folder : Path
        Becomes a project.
    rows : int
        Of the training set.
    repeats : int
        Runs of each, in turn.

    Returns
    -------
    dict
        rows, columns, copy_seconds, create_seconds, verify_seconds, ratio, peak_mib.
    """
    from python_ml.project import Project
    from python_ml.snapshots import create_snapshot, open_store
    from python_ml.warehouse import connect

    make_project(folder, rows)
    project = Project.open(folder)
    store = open_store(project)

    def copy() -> None:
        with connect(project) as connection:
            connection.execute(f"copy gold.gld_training_set to '{folder / 'copy.parquet'}' (format parquet)")

    made: list[Any] = []
    create_snapshot(project, CUTOFF)  # to warm up: imports, and the table from disk
    seconds: dict[str, list[float]] = {"copy": [], "create": [], "verify": []}
    for _ in range(repeats):
        seconds["copy"].append(timed(copy))
        seconds["create"].append(timed(lambda: made.append(create_snapshot(project, CUTOFF)[0])))
        seconds["verify"].append(timed(lambda: made.append(store.verify(store.find(made[-1].id)))))
        if made.pop():
            raise AssertionError("a fresh snapshot does not verify")
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    return {
        "rows": made[-1].rows,
        "columns": len(made[-1].types),
        **{f"{name}_seconds": value for name, value in middle.items()},
        "ratio": middle["create"] / middle["copy"],
        "peak_mib": peak_mib(),
    }


def main() -> None:
    """Measure and print; the exit code is 1 when the limit does not hold."""
    found = against_duckdb("snapshots", __doc__, measure, repeats=3)
    print(
        f"snapshot of {found['rows']:,} rows x {found['columns']} columns: COPY {found['copy_seconds']:.1f} s, "
        f"created and hashed {found['create_seconds']:.1f} s = {found['ratio']:.2f} times (limit {LIMIT_RATIO:g}), "
        f"verified {found['verify_seconds']:.1f} s, peak {found['peak_mib']:,.0f} MiB"
    )
    raise SystemExit(found["ratio"] > LIMIT_RATIO)


if __name__ == "__main__":
    main()
