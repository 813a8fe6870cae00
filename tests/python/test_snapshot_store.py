"""Snapshots on disk: whole or not there, numbered once, verified whenever they are read."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from python_ml.errors import GateError, UserError
from python_ml.project import Project
from python_ml.snapshots import create_snapshot, open_store
from python_ml.snapshots.store import SnapshotStore
from tests.python.churn_world import churn_world, write_project
from tests.python.command_line import command_here

KILLS = 10
CUTOFF = datetime(2023, 9, 1)


@pytest.fixture(scope="module")
def shop_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("snapshots") / "shop", churn_world(60, 12, noise=2, seed=5))


@pytest.fixture
def shop(shop_folder: Path) -> Project:
    """A built project without snapshots."""
    shutil.rmtree(shop_folder / "training_snapshots", ignore_errors=True)
    return Project.open(shop_folder)


def problems(store: SnapshotStore) -> dict[str, list[str]]:
    """What verification says of each snapshot."""
    return {entry.id: store.verify(entry) for entry in store.inventory().entries}


def rewrite(project: Project, snapshot_id: str, select: str) -> None:
    """Replace the rows of a snapshot by a query on them (`rows`), as another program would."""
    path = open_store(project).root / snapshot_id / "data.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"create table rows as from read_parquet('{path}')")
        path.unlink()
        connection.execute(f"copy ({select}) to '{path}' (format parquet)")


def test_a_snapshot_holds_what_was_known_at_the_cutoff(shop):
    snapshot, notes = create_snapshot(shop, CUTOFF)
    found, table = open_store(shop).load(snapshot.id)
    labels = table["label_timestamp"].to_pylist()
    with duckdb.connect(str(shop.warehouse_path), read_only=True) as connection:
        [(due,)] = connection.execute(
            "select count(*) from gold.gld_training_set where label_timestamp <= ?", [CUTOFF]
        ).fetchall()
    assert found == snapshot
    assert len(labels) == due == snapshot.rows < 60 * 12
    assert max(labels) <= CUTOFF
    assert f"{60 * 12 - due} rows whose label was known only later are not included." in notes
    assert snapshot.cutoff == CUTOFF
    assert snapshot.definitions == {"entity": "customer_id", "horizon": "30d", "gap": "0d"}
    assert {feature.name for feature in snapshot.features} <= set(snapshot.types)
    assert set(snapshot.facts["code"]) >= {"sql_sha256", "manifest_sha256", "package_sha256"}


def test_a_label_known_exactly_at_the_cutoff_is_in(shop):
    with duckdb.connect(str(shop.warehouse_path), read_only=True) as connection:
        [(last,)] = connection.execute("select max(label_timestamp)::timestamp from gold.gld_training_set").fetchall()
    whole, _ = create_snapshot(shop, last)
    cut, _ = create_snapshot(shop, last - duckdb.sql("select interval 1 microsecond").fetchall()[0][0])
    assert whole.rows == 60 * 12
    assert cut.rows == 60 * 11


def test_the_same_rows_have_the_same_content_under_another_number(shop):
    first, second = (create_snapshot(shop, CUTOFF)[0] for _ in range(2))
    assert first.content_sha256 == second.content_sha256
    assert (first.number, second.number, second.facts["parent"]) == (1, 2, first.id)
    assert first.facts["code"] == second.facts["code"]


@pytest.mark.parametrize(
    ("select", "message"),
    [
        ("select * replace (case when rowid = 7 then 1e9 else noise_0 end as noise_0) from rows", "values differ"),
        ("select * rename (noise_0 as noise_9) from rows", "column noise_0 is missing; column noise_9 is new"),
        ("select * replace (noise_0::float as noise_0) from rows", "column noise_0 is real and was double"),
        ("select * replace (noise_0 as noise_1, noise_1 as noise_0) from rows", "values differ"),
        ("select * from rows where rowid <> 3", "there are 479 rows, and were 480"),
        ("from rows union all (from rows limit 1)", "its rows are not those that were written: 1 row(s) have the key"),
        ("select churned, * exclude (churned) from rows", "the columns have another order"),
    ],
)
def test_what_was_changed_is_seen_and_reported(shop, select, message):
    snapshot, _ = create_snapshot(shop, CUTOFF)
    rewrite(shop, snapshot.id, select)
    [changes] = problems(open_store(shop)).values()
    assert message in "; ".join(changes)
    with pytest.raises(GateError, match="was changed after it was created"):
        open_store(shop).load("1")


def test_another_order_of_rows_and_another_file_are_fine(shop):
    snapshot, _ = create_snapshot(shop, CUTOFF)
    before = (open_store(shop).root / snapshot.id / "data.parquet").read_bytes()
    rewrite(shop, snapshot.id, "from rows order by hash(customer_id), feature_timestamp desc")
    assert (open_store(shop).root / snapshot.id / "data.parquet").read_bytes() != before
    assert problems(open_store(shop)) == {snapshot.id: []}


def test_a_changed_record_is_seen_even_with_a_new_seal(shop):
    snapshot, _ = create_snapshot(shop, CUTOFF)
    path = open_store(shop).root / snapshot.id / "snapshot.json"
    document = json.loads(path.read_text())
    document["snapshot"]["cutoff"] = "2023-08-01T00:00:00"
    path.chmod(0o644)
    path.write_text(json.dumps(document))
    assert problems(open_store(shop)) == {snapshot.id: ["its record was changed: the seal does not fit"]}
    path.write_text(type(snapshot)(document["snapshot"]).to_json())
    assert problems(open_store(shop)) == {snapshot.id: ["its record was changed: the seal does not fit"]}
    path.write_text("{")
    assert problems(open_store(shop)) == {snapshot.id: ["its record cannot be read"]}


def test_a_damaged_file_is_explained(shop):
    snapshot, _ = create_snapshot(shop, CUTOFF)
    path = open_store(shop).root / snapshot.id / "data.parquet"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-100])
    assert problems(open_store(shop))[snapshot.id][0].startswith("its rows cannot be read")
    path.unlink()
    assert problems(open_store(shop))[snapshot.id] == ["its rows are missing: there is no data.parquet"]


def test_numbers_are_not_used_again_whatever_was_deleted(shop):
    ids = [create_snapshot(shop, CUTOFF)[0].id for _ in range(3)]
    store = open_store(shop)
    for name in (ids[0], ids[2]):
        shutil.rmtree(store.root / name)
    fourth, _ = create_snapshot(shop, CUTOFF)
    assert fourth.number == 4
    assert fourth.facts["parent"] == ids[1]
    assert store.inventory().numbers_without_snapshot == [1, 3]
    with pytest.raises(UserError, match="Snapshot 3 was deleted"):
        store.find("3")
    shutil.rmtree(store.root / ".numbers")
    assert create_snapshot(shop, CUTOFF)[0].number == 5
    shutil.rmtree(store.root)
    fresh, _ = create_snapshot(shop, datetime(2023, 8, 1))
    assert fresh.id not in ids, "an id tells what it names, even when everything was lost"


def test_processes_that_create_at_once_do_not_collide(shop):
    makers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.python.snapshot_maker", str(shop.root), "4"],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parents[2],
        )
        for _ in range(3)
    ]
    made = [line for maker in makers for line in maker.communicate()[0].split()]
    found = problems(open_store(shop))
    assert sorted(made) == sorted(found)
    assert sorted(int(name.split("-")[0]) for name in found) == list(range(1, 13))
    assert not any(found.values())


def test_killing_at_random_points_leaves_only_whole_snapshots(shop):
    draw = random.Random(1)
    store = open_store(shop)
    interrupted = 0
    for _ in range(KILLS):
        with subprocess.Popen(
            [sys.executable, "-m", "tests.python.snapshot_maker", str(shop.root)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parents[2],
        ) as maker:
            first = maker.stdout.readline().strip()
            time.sleep(draw.uniform(0.0, 0.2))
            maker.kill()
            said = [first, *maker.stdout.read().split()]
        held = [entry.id for entry in store.inventory().entries]
        assert set(said) <= set(held), "a snapshot was announced before it was there"
        interrupted += any(path.name.startswith(".making-") for path in store.root.glob(".making-*"))
    assert interrupted, "no process was killed while it was making one"
    found = problems(store)
    assert len(found) >= KILLS
    assert not any(found.values())
    create_snapshot(shop, CUTOFF)
    assert not list(store.root.glob(".making-*")), "what crashes left behind stays"


def test_a_refused_training_set_spends_no_number(shop, monkeypatch):
    with pytest.raises(UserError, match="No label was known at 2020-01-01"):
        create_snapshot(shop, datetime(2020, 1, 1))
    with pytest.raises(UserError, match="requires a cutoff"):
        create_snapshot(shop, None)
    assert not open_store(shop).root.exists()


def test_types_that_a_file_would_not_keep_are_refused(shop, tmp_path, monkeypatch):
    copy = tmp_path / "shop.duckdb"
    shutil.copy(shop.warehouse_path, copy)
    with duckdb.connect(str(copy)) as connection:
        connection.execute("alter table gold.gld_training_set add column baskets integer[]")
        connection.execute("alter table gold.gld_training_set add column total hugeint")
    monkeypatch.setenv("RETENTION_DUCKDB_PATH", str(copy))
    with pytest.raises(UserError, match=r"cannot keep baskets \(INTEGER\[\]\), total \(HUGEINT\) exactly"):
        create_snapshot(shop, CUTOFF)


def test_the_commands(shop):
    made = command_here(shop.root, "snapshot", "create", "--cutoff", "2023-09-01", "--json")
    assert made.returncode == 0, made.stderr
    snapshot = json.loads(made.stdout)["snapshot"]
    listed = json.loads(command_here(shop.root, "snapshot", "list", "--json").stdout)
    assert [entry["id"] for entry in listed["snapshots"]] == [snapshot["id"]]
    verified = command_here(shop.root, "snapshot", "verify", "1", "--json")
    assert verified.returncode == 0
    assert json.loads(verified.stdout) == {"verified": [{"id": snapshot["id"], "intact": True, "problems": []}]}
    rewrite(shop, snapshot["id"], "select * replace (1 - churned as churned) from rows")
    broken = command_here(shop.root, "snapshot", "verify")
    assert broken.returncode == 3
    assert "Traceback" not in broken.stderr
    assert command_here(shop.root, "snapshot", "verify", "7").returncode == 2
    wrong = command_here(shop.root, "snapshot", "create", "--cutoff", "yesterday")
    assert wrong.returncode == 2
    assert "`yesterday` is not a time" in wrong.stderr
