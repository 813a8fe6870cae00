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
    found = compare_snapshots(shop, "1", "2")
    assert found.same_content
    assert (found.rows_common, found.rows_added, found.rows_removed) == (960, 0, 0)
    assert not (found.cells_changed or found.definitions or found.columns_added or found.columns_retyped)
    assert {shift.word for shift in found.shifts} == {"unchanged"}
    assert all(shift.psi == 0 for shift in found.shifts)


def test_every_kind_of_difference_is_told(shop):
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

    found = compare_snapshots(shop, "1", "2")
    assert (found.rows_common, found.rows_added, found.rows_removed) == (948, 5, 12)
    assert found.definitions == {"horizon": ["30d", "60d"]}
    assert (found.columns_added, found.columns_removed) == (["extra"], ["tickets_satisfaction_mean_90d"])
    assert found.columns_retyped == {"noise_1": ["double", "real"]}
    assert found.cells_changed["churned"] == found.labels_changed["0 to 1"] <= flipped
    assert found.labels_changed["0 to 1"] > 0 == found.labels_changed["1 to 0"]
    assert found.rates[0].low < found.rates[0].value < found.rates[0].high
    shifts = {shift.column: shift for shift in found.shifts}
    assert shifts["noise_0"].word == shifts["customer_plan"].word == "strongly shifted"
    assert found.shifts[0].column in ("noise_0", "customer_plan")
    assert shifts["noise_0"].ks > 0.3
    assert shifts["noise_0"].mean[1] > shifts["noise_0"].mean[0] + 1
    assert shifts["noise_2"].word in ("unchanged", "as chance would")

    told = command_here(shop.root, "snapshot", "compare", "1", "2")
    assert told.returncode == 0, told.stderr
    for words in (
        "rows: 948 in both, 5 new, 12 gone",
        "definition horizon: 30d before, 60d after",
        "column noise_1: double before, real after",
        "columns gone: tickets_satisfaction_mean_90d",
        f"labels changed in rows of both: {found.labels_changed['0 to 1']} from 0 to 1",
        "strongly shifted",
    ):
        assert words in told.stdout
    assert json.loads(command_here(shop.root, "snapshot", "compare", "1", "2", "--json").stdout)["rows_common"] == 948


def test_psi_and_ks_are_those_of_a_calculation_by_hand():
    before, after = np.arange(100.0), np.repeat([0.0, 99.0, np.nan], [60, 30, 10])
    found = number_shift("x", before, after)
    p = np.array([0.1] * 10 + [1e-4])
    q = np.array([0.6, *[1e-4] * 8, 0.3, 0.1])
    assert found.psi == pytest.approx(((q - p) * np.log(q / p)).sum())
    assert found.ks == pytest.approx(60 / 90 - 1 / 100)
    assert found.nulls == (0.0, 0.1)
    counts = category_shift("y", {"a": 50, "b": 50}, {"a": 80, "b": 20})
    assert counts.psi == pytest.approx(0.3 * np.log(1.6) - 0.3 * np.log(0.4))
    assert counts.word == "strongly shifted"


def test_chance_is_called_chance_and_a_shift_is_not():
    rng = np.random.default_rng(3)
    words = [number_shift("x", rng.normal(size=300), rng.normal(size=200)).word for _ in range(200)]
    assert words.count("as chance would") >= 190
    assert number_shift("x", rng.normal(size=300), rng.normal(0.8, size=200)).word != "as chance would"
    draws = [rng.choice(["a", "b", "c"], 400) for _ in range(2)]
    counts = [{str(v): int((d == v).sum()) for v in "abc"} for d in draws]
    assert category_shift("y", *counts).word in ("as chance would", "unchanged")


@pytest.mark.parametrize("values", [[np.nan] * 5, [1.0] * 5, [1.0, np.nan] * 3])
def test_empty_and_constant_columns_compare(values):
    constant, ramp = np.array(values), np.arange(10.0)
    assert number_shift("x", constant, constant).word == "unchanged"
    assert np.isfinite(number_shift("x", constant, ramp).psi)
    assert np.isfinite(number_shift("x", ramp, constant).psi)
