"""``retention build``: build and test the warehouse with dbt."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from python_ml.cli.options import ENGINES, Console, project_options

if TYPE_CHECKING:
    from python_ml.project import Project

MONITORING_TESTS = ("tag:drift", "tag:performance")


@click.command("build")
@click.option("--select", metavar="SELECTION", help="What to build, in dbt's selection syntax.")
@click.option("--exclude", metavar="SELECTION", help="What not to build, in dbt's selection syntax.")
@click.option("--full-refresh", is_flag=True, help="Build incremental models from scratch.")
@project_options(*ENGINES, reads=False)
def command(project: Project, console: Console, select: str | None, exclude: str | None, full_refresh: bool) -> None:
    """Build and test the warehouse with dbt.

    Runs `dbt build` on every layer: raw, bronze, silver, gold. Before that, missing dbt packages are installed, and raw
    files that have changed are converted again.

    Reads seeds/ or the raw files. Writes the tables of the target (on DuckDB: warehouse.duckdb) and target/.

    Exit codes: 0 done, 1 internal error or a failed model or test, 2 invalid input or usage.

    \b
    Examples:
      retention build
      retention build --select silver+ --full-refresh
    """
    counts = build(project, console, select=select, exclude=exclude, full_refresh=full_refresh)
    made, passed = counts.get("success", 0), counts.get("pass", 0)
    console.result(f"Built {made} tables and views; {passed} tests passed.", {"statuses": counts})


def build(
    project: Project,
    console: Console,
    *,
    select: str | None = None,
    exclude: str | None = None,
    full_refresh: bool = False,
    environment: dict[str, str] | None = None,
) -> dict[str, int]:
    """Install missing dbt packages, convert raw files again that changed, then build and test."""
    from python_ml.dbt import dbt_process, run_dbt
    from python_ml.python_models import dbt_runs_python

    with dbt_process(project):
        if lacks_packages(project):
            with console.step("Installing dbt packages"):
                run_dbt(project, ["deps"], console)
        if (project.root / "raw").is_dir():
            from python_ml.generate import refresh_raw

            for path in refresh_raw(project.root):
                console.note(f"{path.name} has changed, and was converted again.")
        selection = ["--select", select] if select else []
        # What the monitor found is no reason not to build the data that show whether it goes on.
        excluded = [*([exclude] if exclude else []), *MONITORING_TESTS]
        refresh = ["--full-refresh"] if full_refresh else []
        with console.step("Building and testing the warehouse"):
            if dbt_runs_python(project):
                arguments = ["build", *selection, "--exclude", *excluded, *refresh]
                return run_dbt(project, arguments, console, environment)
            return _build_in_stages(project, selection, excluded, refresh, console, environment)


def _build_in_stages(
    project: Project,
    selection: list[str],
    excluded: list[str],
    refresh: list[str],
    console: Console,
    environment: dict[str, str] | None,
) -> dict[str, int]:
    """Load raw files, build what each Python model is made from, run it outside of dbt, build and test the rest."""
    from python_ml.dbt import listed_by_dbt, run_dbt
    from python_ml.python_models import ancestors, python_models, run_python_models
    from python_ml.raw_tables import load_raw_files
    from python_ml.warehouse import open_backend

    chosen = listed_by_dbt(project, [*selection, "--exclude", *excluded], console)
    counts: Counter[str] = Counter()
    done: set[str] = set()
    for table in load_raw_files(project, open_backend(project).write):
        console.note(f"  {table}: loaded from its raw file")
    manifest = project.manifest
    models = python_models(manifest)
    for name in models:
        if name not in chosen:
            continue
        before = sorted((ancestors(manifest, name) & chosen) - models.keys() - done)
        if before:
            untested = ["--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"]
            counts.update(run_dbt(project, ["build", "--select", *before, *untested, *refresh], console, environment))
        done.update(before)
        run_python_models(project, [name], console, environment)
    counts.update(
        run_dbt(project, ["build", *selection, "--exclude", *excluded, *done, *refresh], console, environment)
    )
    if done:
        counts.update(run_dbt(project, ["test", "--select", *done, "--exclude", *excluded], console, environment))
    return dict(counts)


def run_with_python(
    project: Project, names: list[str], arguments: list[str], console: Console, environment: dict[str, str]
) -> None:
    """Run a dbt command that makes Python models, which run outside of dbt where dbt cannot run them."""
    from python_ml.dbt import run_dbt
    from python_ml.python_models import dbt_runs_python, run_python_models

    if not dbt_runs_python(project):
        run_python_models(project, names, console, environment)
    run_dbt(project, arguments, console, environment)


def rebuild_features(project: Project, console: Console, environment: dict[str, str] | None = None) -> None:
    """Build all but the scores: after its features have changed, the champion would refuse to make them."""
    build(project, console, exclude="gld_churn_scores_raw+ gld_churn_reasons_raw+", environment=environment)


def lacks_packages(project: Project) -> bool:
    """Whether dbt cannot parse the project yet, since its packages are not installed."""
    return (project.root / "packages.yml").is_file() and not (project.root / "dbt_packages").is_dir()
