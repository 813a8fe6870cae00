"""What `retention snapshot compare` tells, and that chance is called chance."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pytest

from python_ml.project import Project
from python_ml.snapshots import compare_snapshots, create_snapshot
from python_ml.snapshots.distributions import category_shift, number_shift
from tests.python.churn_world import churn_world, write_project
from tests.python.command_line import command_here

CUTOFF = datetime(2024, 1, 1)


@pytest.fixture
def shop(tmp_path: Path) -> Project:
    return Project.open(write_project(tmp_path / "shop", churn_world(80, 12, noise=3, seed=6)))


def test_the_same_rows_differ_in_nothing(shop):
    create_snapshot(shop, CUTOFF)
    create_snapshot(shop, CUTOFF)
    result = compare_snapshots(shop, "1", "2")
    assert result.same_content
    assert (result.rows_common, result.rows_added, result.rows_removed) == (960, 0, 0)
    assert not (result.cells_changed or result.definitions or result.columns_added or result.columns_retyped)
    assert {shift.level for shift in result.shifts} == {"unchanged"}
    assert all(shift.psi == 0 for shift in result.shifts)


def test_every_kind_of_difference_is_reported(shop):
    create_snapshot(shop, CUTOFF)
    with duckdb.connect(str(shop.warehouse_path)) as connection:
        table = "gold.gld_training_set"
        connection.execute(f"delete from {table} where customer_id = 'c00000'")
        connection.execute(f"insert into {table} select * replace ('c99' as customer_id) from {table} limit 5")
        connection.execute(f"update {table} set churned = 1 where churned = 0 and customer_id in ('c00001', 'c00002')")
        connection.execute(f"update {table} set noise_0 = noise_0 + 3, customer_plan = 'gone' where noise_2 > 0")
        connection.execute(f"alter table {table} alter noise_1 type float")
        connection.execute(f"alter table {table} add column extra integer")
        connection.execute(f"alter table {table} drop column tickets_satisfaction_mean_90d")
        [(flipped,)] = connection.execute(
            f"select count(*) from {table} where churned = 1 and customer_id in ('c00001', 'c00002')"
        ).fetchall()
    config = (shop.root / "dbt_project.yml").read_text().replace("30d", "60d")
    (shop.root / "dbt_project.yml").write_text(config)
    shop = Project.open(shop.root)
    create_snapshot(shop, CUTOFF)

    result = compare_snapshots(shop, "1", "2")
    assert (result.rows_common, result.rows_added, result.rows_removed) == (948, 5, 12)
    assert result.definitions == {"horizon": ["30d", "60d"]}
    assert (result.columns_added, result.columns_removed) == (["extra"], ["tickets_satisfaction_mean_90d"])
    assert result.columns_retyped == {"noise_1": ["double", "real"]}
    assert result.cells_changed["churned"] == result.labels_changed["0 to 1"] <= flipped
    assert result.labels_changed["0 to 1"] > 0 == result.labels_changed["1 to 0"]
    assert result.rates[0].low < result.rates[0].value < result.rates[0].high
    shifts = {shift.column: shift for shift in result.shifts}
    assert shifts["noise_0"].level == shifts["customer_plan"].level == "strongly shifted"
    assert result.shifts[0].column in ("noise_0", "customer_plan")
    assert shifts["noise_0"].ks > 0.3
    assert shifts["noise_0"].mean[1] > shifts["noise_0"].mean[0] + 1
    assert shifts["noise_2"].level in ("unchanged", "within chance")

    outcome = command_here(shop.root, "snapshot", "compare", "1", "2")
    assert outcome.returncode == 0, outcome.stderr
    for text in (
        "rows: 948 in both, 5 added, 12 removed",
        "definition horizon: 30d before, 60d after",
        "column noise_1: double before, real after",
        "columns removed: tickets_satisfaction_mean_90d",
        f"labels changed in rows of both: {result.labels_changed['0 to 1']} from 0 to 1",
        "strongly shifted",
    ):
        assert text in outcome.stdout
    assert json.loads(command_here(shop.root, "snapshot", "compare", "1", "2", "--json").stdout)["rows_common"] == 948


def test_psi_and_ks_are_those_of_a_calculation_by_hand():
    before, after = np.arange(100.0), np.repeat([0.0, 99.0, np.nan], [60, 30, 10])
    result = number_shift("x", before, after)
    p = np.array([0.1] * 10 + [1e-4])
    q = np.array([0.6, *[1e-4] * 8, 0.3, 0.1])
    assert result.psi == pytest.approx(((q - p) * np.log(q / p)).sum())
    assert result.ks == pytest.approx(60 / 90 - 1 / 100)
    assert result.nulls == (0.0, 0.1)
    counts = category_shift("y", {"a": 50, "b": 50}, {"a": 80, "b": 20})
    assert counts.psi == pytest.approx(0.3 * np.log(1.6) - 0.3 * np.log(0.4))
    assert counts.level == "strongly shifted"


def test_differences_by_chance_are_within_chance():
    rng = np.random.default_rng(3)
    levels = [number_shift("x", rng.normal(size=300), rng.normal(size=200)).level for _ in range(200)]
    assert levels.count("within chance") >= 190
    assert number_shift("x", rng.normal(size=300), rng.normal(0.8, size=200)).level != "within chance"
    draws = [rng.choice(["a", "b", "c"], 400) for _ in range(2)]
    counts = [{str(v): int((d == v).sum()) for v in "abc"} for d in draws]
    assert category_shift("y", *counts).level in ("within chance", "unchanged")


@pytest.mark.parametrize("values", [[np.nan] * 5, [1.0] * 5, [1.0, np.nan] * 3])
def test_empty_and_constant_columns_compare(values):
    constant, ramp = np.array(values), np.arange(10.0)
    assert number_shift("x", constant, constant).level == "unchanged"
    assert np.isfinite(number_shift("x", constant, ramp).psi)
    assert np.isfinite(number_shift("x", ramp, constant).psi)
