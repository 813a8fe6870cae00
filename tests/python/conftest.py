"""Fixtures that several test modules share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from python_ml import dbt
from tests.python.warm_python import migrate_once, quicken_dbt, warm_python

# The same examples in every run of `make test`, so that a red one speaks of the change at hand; HYPOTHESIS_PROFILE=ci
# or thorough draws new ones.
settings.register_profile("default", derandomize=True, deadline=None)
settings.register_profile("ci", deadline=None)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or "default")

REPOSITORY = Path(__file__).resolve().parents[2]
ALL_TESTS = "RETENTION_ALL_TESTS"
NOT_NOW = "takes long, and others of its kind are tested: `make test-all` runs it"
MANY = 20  # tests from which on a server that has imported dbt is worth its start


# Files that build projects, train for long or start Spark, the longest first: two workers that begin with them end at
# about the same time. `make test-fast` leaves them out.
_SLOW = (
    "test_real_data.py", "test_cases.py", "test_parity.py", "test_demo.py", "test_whole_ways.py",
    "test_worlds_on_spark.py", "test_hostile.py", "test_static_real.py", "test_built_worlds.py",
    "test_snapshot_training.py", "test_leakage.py", "test_three_ways.py", "test_labels_run.py",
    "test_window_features.py", "test_window_batches.py", "test_carried_state.py", "test_training.py",
    "test_broken_surroundings.py", "test_reference.py", "test_decided_project.py", "test_init.py",
    "test_static_training.py", "test_backtest.py", "test_model_options.py",
    "test_linked_files.py", "test_outcome.py", "test_table_run.py",
    "test_actions_in_code.py", "test_macro_errors.py", "test_daily_runs.py", "test_bench.py", "test_versions.py",
    "test_customer_and_time.py", "test_roles.py", "test_snapshot_store.py", "test_reasons.py", "test_window_values.py",
    "test_cleaning_built.py", "test_simulate.py", "test_dbt_process.py", "test_snapshots_daily.py", "test_real.py",
    "test_outputs.py", "test_windows_guide.py", "test_scoring.py", "test_serving.py", "test_registry.py", "test_api.py",
    "test_defaults.py", "test_feature_store.py", "test_baselines.py", "test_explanation.py", "test_diagnostics.py",
    "test_survival.py", "test_actions.py", "test_uplift_command.py", "test_uplift.py", "test_texts_on_spark.py",
    "test_standalone.py",
    "test_warehouse_on_spark.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark slow files and put them first, in their own order; thorough tests wait for `make test-all`."""
    places = {name: place for place, name in enumerate(_SLOW)}
    for item in items:
        if item.path.name in places:
            item.add_marker(pytest.mark.slow)
        if item.get_closest_marker("thorough") and not os.environ.get(ALL_TESTS):
            item.add_marker(pytest.mark.skip(reason=NOT_NOW))
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


@pytest.fixture(scope="session", autouse=True)
def warm_dbt(request: pytest.FixtureRequest) -> Iterator[None]:
    """Where many tests run, dbt is imported once for all of them, and MLflow migrates one database."""
    if len(request.session.items) < MANY:
        yield
        return
    with warm_python() as words, pytest.MonkeyPatch.context() as patch:
        patch.setattr(dbt, "PYTHON", words)
        patch.setenv("DBT_LOG_LEVEL_FILE", "none")
        migrate_once(Path(words[-1]).parent)
        quicken_dbt()
        yield


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of this repository."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real data sets; tests that need it are skipped by name where it is absent."""
    folder = Path(os.environ.get("RETENTION_SHARED_DATA") or REPOSITORY.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip("real data sets are not present (set RETENTION_SHARED_DATA to their folder)")
    return folder


@pytest.fixture(scope="session")
def all_data(shared_data: Path) -> Path:
    """Folder of the real data sets, for those that only `make test-all` tests: each takes a minute or more."""
    if not os.environ.get(ALL_TESTS):
        pytest.skip(NOT_NOW)
    return shared_data
