"""The feature store: publishing what changed, rows as of any time, the newest rows, and what is refused."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from click.testing import CliRunner

from python_ml.cli import retention
from python_ml.errors import UserError
from python_ml.feature_store import open_feature_store
from python_ml.feature_store.champion_inputs import ChampionInputs
from python_ml.feature_store.databricks_store import DatabricksStore
from python_ml.feature_store.definitions import define_store
from python_ml.feature_store.feast_objects import require_feast
from python_ml.feature_store.feast_store import FeastStore
from python_ml.feature_store.offline_files import OfflineFiles
from python_ml.feature_store.online import OnlineFeatures
from python_ml.input_columns import InputColumn, model_input
from python_ml.project import Project
from tests.python.feature_project import (
    COLUMNS,
    FEATURES,
    ORDERS,
    T1,
    T2,
    T3,
    gold,
    gold_rows,
    make_project,
    newest_rows,
    write_manifest,
)

try:
    require_feast()
except UserError:
    pytest.skip("the extra feast is not installed", allow_module_level=True)
NOW = datetime(2024, 3, 20, 12)
INPUTS = {
    "customer_plan": "category",
    "customer_opted_in": "flag",
    "customer_price": "number",
    "orders_count_30d": "number",
}
SECOND, MICROSECOND = timedelta(seconds=1), timedelta(microseconds=1)


def opened(root: Path) -> FeastStore:
    return FeastStore(Project.open(root), clock=lambda: NOW)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that is published once, for tests that only read."""
    root = tmp_path_factory.mktemp("shop") / "odd [name] 100%"
    make_project(root)
    opened(root).publish()
    return root


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A project of a test's own, published."""
    make_project(tmp_path / "shop")
    opened(tmp_path / "shop").publish()
    return tmp_path / "shop"


def entity_rows(*pairs: tuple[str, datetime]) -> pa.Table:
    times = pa.array([time.replace(tzinfo=UTC) for _, time in pairs], pa.timestamp("us", "UTC"))
    return pa.table({"customer_id": pa.array([key for key, _ in pairs], pa.string()), "event_timestamp": times})


def orders_at(store: FeastStore, *pairs: tuple[str, datetime]) -> list[int | None]:
    return store.historical(entity_rows(*pairs), ["orders_count_30d"]).column("orders_count_30d").to_pylist()


def pushed(key: str, feature: datetime, created: datetime | None, count: int) -> dict[str, Any]:
    row = {"customer_id": key, "feature_timestamp": feature.replace(tzinfo=UTC)}
    row |= {} if created is None else {"created_at": created.replace(tzinfo=UTC)}
    return row | dict.fromkeys(ORDERS) | {"orders_count_30d": count}


def push(store: FeastStore, *rows: dict[str, Any]) -> dict[str, Any]:
    return store.push(pa.Table.from_pylist(list(rows))).to_dict()


# --- definitions


def test_definitions_come_from_the_manifest(shop: Path) -> None:
    from feast import FeatureStore as FeastClient

    client = FeastClient(repo_path=str(shop / "feature_store"))
    views = {view.name: view for view in client.list_feature_views()}
    assert set(views) == {"customers", "orders"}
    fields = {field.name: field for view in views.values() for field in view.features}
    assert list(fields) == FEATURES
    assert {name: str(field.dtype) for name, field in fields.items()} == {
        "customer_plan": "String",
        "customer_opted_in": "Bool",
        "customer_price": "Decimal",
        "customer_since": "UnixTimestamp",
        "orders_count_30d": "Int64",
        "orders_visits_7d": "Int32",
        "orders_amount_sum_30d": "Float64",
        "orders_last_at": "UnixTimestamp",
    }
    assert fields["orders_count_30d"].description == "Orders in 30 days"
    assert fields["orders_count_30d"].tags == {"window": "30d"}
    assert views["orders"].tags["source"] == "orders"
    assert [entity.name for entity in client.list_entities()] == ["customer_id"]
    (service,) = client.list_feature_services()
    assert service.name == "churn_all_features"
    assert [feature.name for part in service.feature_view_projections for feature in part.features] == FEATURES


def test_apply_says_whether_something_changed_and_removes_old_views(fresh: Path) -> None:
    from feast import FeatureStore as FeastClient

    assert not opened(fresh).apply().changed
    write_manifest(fresh, {name: column for name, column in COLUMNS.items() if column[2] != "customers"})
    applied = opened(fresh).apply()
    assert applied.changed
    assert applied.views == {"orders": 4}
    client = FeastClient(repo_path=str(fresh / "feature_store"))
    assert [view.name for view in client.list_feature_views()] == ["orders"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"orders_count_30d": ("bigint[]", "feature", "orders", "")}, "bigint\\[\\]"),
        ({"valid_from": ("bigint", "feature", "orders", "")}, "name of a column of the feature store"),
        ({"customer_id": ("double", "key", None, "")}, "no online store"),
    ],
)
def test_columns_that_cannot_be_served(tmp_path: Path, changed: dict, said: str) -> None:
    project = make_project(tmp_path / "shop")
    write_manifest(project.root, COLUMNS | changed)
    with pytest.raises(UserError, match=said):
        define_store(project)


# --- historical


def test_historical_is_gold_row_for_row(shop: Path) -> None:
    rows = gold_rows(shop)
    asked = entity_rows(*((row["customer_id"], row["feature_timestamp"]) for row in rows))
    answer = opened(shop).historical(asked, FEATURES)
    assert answer.select(FEATURES).to_pylist() == [{name: row[name] for name in FEATURES} for row in rows]
    assert answer.schema.field("customer_price").type == pa.decimal128(10, 2)
    assert answer.schema.field("customer_since").type == pa.date32()


def test_the_newest_row_that_is_not_later(shop: Path) -> None:
    pairs = [("a", T1 - MICROSECOND), ("a", T1), ("a", T2 - MICROSECOND), ("a", T2), ("a", T3 + SECOND), ("x", T3)]
    assert orders_at(opened(shop), *pairs) == [None, 1, 1, 2, 3, None]


def test_equal_rows_stay_and_order_and_other_columns_are_kept(shop: Path) -> None:
    rows = entity_rows(("a", T2), ("b", T2), ("a", T2), ("a", T2)).append_column("label", pa.array([1, 0, 0, 1]))
    answer = opened(shop).historical(rows, ["orders_count_30d"])
    assert answer.column_names == ["customer_id", "event_timestamp", "label", "orders_count_30d"]
    assert answer.column("label").to_pylist() == [1, 0, 0, 1]
    assert answer.column("orders_count_30d").to_pylist() == [2, 5, 2, 2]


def test_no_entity_rows(shop: Path) -> None:
    answer = opened(shop).historical(entity_rows())
    assert answer.num_rows == 0
    assert answer.column_names == ["customer_id", "event_timestamp", *FEATURES]
    assert answer.schema.field("orders_count_30d").type == pa.int64()


def test_the_order_of_views_does_not_matter(shop: Path) -> None:
    pairs = [("a", T1), ("a", T1), ("b", T3), ("c", T1), ("x", T1)]
    one, other = (opened(shop).historical(entity_rows(*pairs), names) for names in (FEATURES, FEATURES[::-1]))
    assert one.num_rows == other.num_rows == len(pairs)
    assert one.equals(other.select(one.column_names))


def test_times_in_other_zones_and_pandas_frames(shop: Path) -> None:
    frame = pd.DataFrame(
        {"customer_id": ["a", "a"], "event_timestamp": ["2024-02-01T02:00:00+02:00", "2024-02-01T01:59:59+02:00"]}
    )
    answer = opened(shop).historical(frame, ["orders_count_30d"])
    assert answer.column("orders_count_30d").to_pylist() == [2, 1]
    local = frame.assign(event_timestamp=["2024-02-01 01:00:00", "2024-02-01 00:59:59"])
    answer = opened(shop).historical(local, ["orders_count_30d"], zone="Europe/Berlin")
    assert answer.column("orders_count_30d").to_pylist() == [2, 1]


# --- publishing


def test_only_what_changed_is_written(fresh: Path) -> None:
    files = sorted((fresh / "feature_store" / "offline").rglob("*.parquet"))
    before = {path: path.stat().st_mtime_ns for path in files}
    assert opened(fresh).publish().written == ()
    with gold(fresh) as connection:
        connection.execute(
            "update gold.gld_customer_features set orders_count_30d = 70 where customer_id = 'c' "
            f"and feature_timestamp = '{T2}'"
        )
    published = opened(fresh).publish()
    assert (published.written, published.unchanged, published.online_rows) == ((T2,), 2, 1)  # b is newest at T2
    touched = {path.stem for path in files if path.stat().st_mtime_ns != before[path]}
    assert touched == {f"{T2:%Y%m%dT%H%M%S%f}"}
    assert orders_at(opened(fresh), ("c", T2), ("c", T3), ("a", T2)) == [70, 8, 2]


def test_a_feature_time_that_is_gone_and_one_that_is_new(fresh: Path) -> None:
    later = datetime(2024, 3, 10)
    with gold(fresh) as connection:
        connection.execute(f"delete from gold.gld_customer_features where feature_timestamp = '{T3}'")
        connection.execute(
            "insert into gold.gld_customer_features by name "
            f"select * replace (timestamp '{later}' as feature_timestamp) from gold.gld_customer_features "
            "where customer_id = 'b' and orders_count_30d = 5"
        )
    published = opened(fresh).publish()
    assert (published.written, published.removed) == ((later,), (T3,))
    rows = {row.customer: row for row in opened(fresh).online(["a", "b", "c"])}
    assert {key: row.feature_timestamp for key, row in rows.items()} == {"a": T2, "b": later, "c": T2}
    assert orders_at(opened(fresh), ("a", later)) == [2]


def test_an_end_in_the_future_does_not_block_the_next_publish(tmp_path: Path) -> None:
    make_project(tmp_path / "shop")
    assert opened(tmp_path / "shop").publish(until=T1).written == (T1,)
    assert opened(tmp_path / "shop").publish(until=datetime(2999, 1, 1)).written == (T2, T3)
    with gold(tmp_path / "shop") as connection:
        connection.execute("update gold.gld_customer_features set orders_count_30d = orders_count_30d + 1")
    assert opened(tmp_path / "shop").publish().written == (T1, T2, T3)
    assert opened(tmp_path / "shop").online(["a"], ["orders_count_30d"])[0].values == {"orders_count_30d": 4}


STEPS = ["prepare", "journal", "move", "online", "state"]


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_publish_leaves_one_state_or_the_other(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    with gold(fresh) as connection:
        connection.execute("update gold.gld_customer_features set orders_count_30d = orders_count_30d + 100")

    class Killed(BaseException):
        pass

    calls = {"moved": 0}

    def kill(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        if step == "prepare":
            patch.setattr(OfflineFiles, "commit", kill)
        elif step == "journal":
            patch.setattr(OfflineFiles, "complete", kill)
        elif step == "move":
            replace = Path.replace

            def move(path: Path, target: Path) -> Path:
                if "staging" in path.parts:
                    calls["moved"] += 1
                    if calls["moved"] == 2:
                        raise Killed
                return replace(path, target)

            patch.setattr(Path, "replace", move)
        elif step == "online":
            patch.setattr("python_ml.feature_store.online_table.write_rows", kill)
        else:
            from python_ml.feature_store import offline_files

            write = offline_files.write_json
            patch.setattr(
                offline_files, "write_json", lambda path, value: kill() if "state" in path.name else write(path, value)
            )
        with pytest.raises(Killed):
            opened(fresh).publish()
    more = 0 if step == "prepare" else 100
    assert orders_at(opened(fresh), ("a", T1), ("a", T3)) == [1 + more, 3 + more]
    assert opened(fresh).online(["a"], ["orders_count_30d"])[0].values == {"orders_count_30d": 3 + more}
    opened(fresh).publish()
    assert orders_at(opened(fresh), ("a", T1), ("a", T3)) == [101, 103]
    assert not (fresh / "feature_store" / "staging").exists()


def test_changed_columns_renew_the_views(fresh: Path) -> None:
    push(opened(fresh), pushed("a", NOW, NOW, 50))
    with gold(fresh) as connection:
        connection.execute("alter table gold.gld_customer_features add column orders_extra bigint default 9")
    write_manifest(fresh, COLUMNS | {"orders_extra": ("bigint", "feature", "orders", "")})
    published = opened(fresh).publish()
    assert published.discarded_pushes == 1
    assert opened(fresh).online(["a"], ["orders_extra", "orders_count_30d"])[0].values == {
        "orders_extra": 9,
        "orders_count_30d": 3,
    }


def test_a_lost_online_file_is_made_again(fresh: Path) -> None:
    for path in (fresh / "feature_store").glob("online.db*"):
        path.unlink()
    opened(fresh).publish()
    assert opened(fresh).online(["a"])[0].status == "present"


def test_nothing_outside_of_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path / "shop")
    before = set(project.root.rglob("*"))
    monkeypatch.chdir(tmp_path)
    opened(project.root).publish()
    new = {path.relative_to(project.root).parts[0] for path in set(project.root.rglob("*")) - before}
    assert new == {"feature_store"}
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


# --- online


def test_online_is_the_newest_row_of_every_customer(shop: Path) -> None:
    newest = newest_rows(shop)
    rows = opened(shop).online([*newest, "nobody"], FEATURES)
    assert [row.status for row in rows] == ["present"] * len(newest) + ["absent"]
    for row in rows[:-1]:
        assert dict(row.values) == {name: newest[row.customer][name] for name in FEATURES}
        assert row.feature_timestamp == newest[row.customer]["feature_timestamp"]
    assert set(rows[-1].values.values()) == {None}
    assert opened(shop).online_features.newest() == T3


def test_rows_beyond_the_ttl_are_stale(shop: Path) -> None:
    path = shop / "feature_store" / "online.db"
    at = {"now": T3 + timedelta(days=10)}
    features = OnlineFeatures(path, timedelta(days=10), clock=lambda: at["now"])
    fine, old = features.rows(["a", "b"])
    assert (fine.status, old.status) == ("present", "stale")
    assert old.feature_timestamp == T2
    assert old.stale_views == ("customers", "orders")
    assert set(old.values.values()) == {None}
    at["now"] += MICROSECOND
    assert features.rows(["a"])[0].status == "stale"


def test_the_ttl_holds_for_history_and_for_feast_too(tmp_path: Path) -> None:
    project = make_project(tmp_path / "shop", "feature_store: {ttl: 20d}\n")
    store = FeastStore(project, clock=lambda: NOW)
    store.publish()
    assert orders_at(store, ("a", T1 + timedelta(days=20)), ("a", T1 + timedelta(days=20, seconds=1))) == [1, None]
    answer = store._client(define_store(project)).get_online_features(
        ["orders:orders_count_30d"], [{"customer_id": "a"}]
    )
    assert answer.to_dict()["orders_count_30d"] == [None]  # years ago


def test_threads_read_while_something_is_published(fresh: Path) -> None:
    features = opened(fresh).online_features
    found: list[Any] = []

    def read() -> None:
        found.extend(features.rows(["a", "b"])[0].values["orders_count_30d"] for _ in range(50))

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    push(opened(fresh), pushed("a", NOW, NOW, 60))
    for thread in threads:
        thread.join()
    assert set(found) <= {3, 60}
    assert len(found) == 150
    assert features.rows(["a"])[0].values["orders_count_30d"] == 60


def test_feast_serves_the_same_over_http(shop: Path) -> None:
    from fastapi.testclient import TestClient

    from python_ml.feature_store.server import application

    store = opened(shop)
    with TestClient(application(store._client(define_store(Project.open(shop))))) as client:
        assert client.get("/health").status_code == 200
        body = {"feature_service": "churn_all_features", "entities": {"customer_id": ["b", "nobody"]}}
        answer = client.post("/get-online-features", json=body).json()
        for path in ("/push", "/materialize", "/write-to-online-store"):
            assert client.post(path, json={}).status_code == 404
    names = answer["metadata"]["feature_names"]
    served = {name: answer["results"][place] for place, name in enumerate(names)}
    assert served["orders_count_30d"]["values"] == [5, None]
    assert served["orders_count_30d"]["statuses"] == ["PRESENT", "NOT_FOUND"]
    assert served["customer_plan"]["values"][0] == 'ünïcode "q"'
    assert served["orders_amount_sum_30d"]["values"][0] == -2.5


# --- pushes


def test_three_corrections_of_one_row(fresh: Path) -> None:
    store = opened(fresh)
    moments = [datetime(2024, 3, 5), datetime(2024, 3, 6), datetime(2024, 3, 7)]
    rows = [pushed("a", datetime(2024, 3, 5), moment, 11 + place) for place, moment in enumerate(moments)]
    counts = push(store, *reversed(rows))
    assert (counts["accepted"], counts["older"]) == (3, 0)
    first, second, third = moments
    # A value that was created at T is not served at T.
    at = [first, first + MICROSECOND, second, second + MICROSECOND, third, third + MICROSECOND, NOW]
    assert orders_at(store, *(("a", time) for time in at)) == [3, 11, 11, 12, 12, 13, 13]
    assert store.online(["a"], ["orders_count_30d"])[0].values == {"orders_count_30d": 13}
    assert orders_at(store, ("a", T3), ("b", NOW)) == [3, 5]


def test_the_newer_row_wins(fresh: Path) -> None:
    store = opened(fresh)
    counts = push(store, pushed("a", T2, None, 77), pushed("a", NOW, None, 78), pushed("new", NOW, None, 79))
    assert (counts["rows"], counts["accepted"], counts["older"]) == (3, 2, 1)
    assert push(store, pushed("a", NOW, None, 78))["unchanged"] == 1
    rows = store.online(["a", "new"], ["orders_count_30d", "customer_plan"])
    assert [dict(row.values) for row in rows] == [
        {"orders_count_30d": 78, "customer_plan": "plus"},
        {"orders_count_30d": 79, "customer_plan": None},
    ]
    with gold(fresh) as connection:  # an older change of gold does not take the place of the pushed row
        connection.execute("update gold.gld_customer_features set orders_count_30d = 1")
    push(store, pushed("a", NOW, NOW + SECOND, 80))
    assert store.publish().written == (T1, T2, T3)
    assert store.online(["a"], ["orders_count_30d"])[0].values == {"orders_count_30d": 80}
    assert len(list((fresh / "feature_store" / "offline" / "orders").glob("pushed_*"))) == 1
    assert orders_at(store, ("a", NOW), ("a", NOW + SECOND), ("a", NOW + 2 * SECOND)) == [1, 78, 80]


def test_the_scoring_set_says_nothing_new_after_a_publish(fresh: Path) -> None:
    counts = opened(fresh).push_scoring_set().to_dict()
    assert (counts["rows"], counts["accepted"], counts["unchanged"]) == (2, 0, 2)


TIMES = ("feature_timestamp", "created_at")
PUSHES = {
    "unknown": ({"orders_coun_30d": 1}, "no feature `orders_coun_30d`"),
    "part of a view": ({"orders_count_30d": 1}, "lacks orders_visits_7d"),
    "no features": ({}, "no features to push"),
    "another type": (dict.fromkeys(ORDERS) | {"orders_count_30d": "many"}, "`many` is not of type bigint"),
    "a fraction": (dict.fromkeys(ORDERS) | {"orders_count_30d": 1.5}, "`1.5` is not of type bigint"),
    "no key": (dict.fromkeys(ORDERS) | {"customer_id": None}, "no customer_id"),
    "no zone": (dict.fromkeys(ORDERS) | {"feature_timestamp": "2024-03-01 00:00:00"}, "has no zone"),
    "no time": (dict.fromkeys(ORDERS) | {"feature_timestamp": None}, "has no time"),
    "the future": (dict.fromkeys(ORDERS) | dict.fromkeys(TIMES, "2999-01-01T00:00:00Z"), "in the future"),
    "created too early": (dict.fromkeys(ORDERS) | {"created_at": "2024-02-29T23:59:59Z"}, "before its feature time"),
}  # fmt: skip


@pytest.mark.parametrize("name", PUSHES)
def test_pushes_that_are_refused(shop: Path, name: str) -> None:
    changed, said = PUSHES[name]
    row = {"customer_id": "a", "feature_timestamp": "2024-03-01T00:00:00Z"} | changed
    with pytest.raises(UserError, match=said) as caught:
        opened(shop).push(pa.Table.from_pylist([row]))
    assert caught.value.hint


# --- what a user gets wrong


def test_mistakes_of_the_commands(shop: Path, tmp_path: Path) -> None:
    bare = make_project(tmp_path / "bare")
    rows, out = tmp_path / "rows.csv", tmp_path / "out.csv"
    rows.write_text("customer_id,event_timestamp\na,2024-02-01 00:00:00\n")
    cases = [
        (shop, ["historical", str(rows), "--out", str(out)], "has no zone", "--time-zone UTC"),
        (shop, ["historical", str(rows)], "which file to write", "--out"),
        (shop, ["historical", str(rows), "--out", str(out), "--time-zone", "Mars"], "not a time zone", "UTC"),
        (shop, ["historical", str(tmp_path / "no.csv"), "--out", str(out)], "does not exist", "path"),
        (shop, ["online", "a", "--feature", "orders_count"], "no feature `orders_count`", "orders_count_30d"),
        (shop, ["push"], "Push a file or the scoring set", "--scoring-set"),
        (bare.root, ["online", "a"], "Nothing has been published", "retention features publish"),
        (bare.root, ["historical", str(rows), "--out", str(out)], "Nothing has been published", "publish"),
        (bare.root, ["push", "--scoring-set"], "Nothing has been published", "publish"),
    ]
    for root, words, said, hint in cases:
        outcome = CliRunner().invoke(retention, ["features", *words, "--project-dir", str(root)])
        assert isinstance(outcome.exception, UserError), (words, outcome.output, outcome.exception)
        assert said in str(outcome.exception)
        assert hint in outcome.exception.hint
    (bare.root / "target" / "manifest.json").unlink()
    outcome = CliRunner().invoke(retention, ["features", "publish", "--project-dir", str(bare.root)])
    assert "retention build" in outcome.exception.hint


def test_the_extra_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path / "shop")
    monkeypatch.setitem(__import__("sys").modules, "feast", None)
    with pytest.raises(UserError, match="Feast cannot be imported") as caught:
        open_feature_store(project).apply()
    assert "customer-retention[feast]" in caught.value.hint


def test_the_commands(shop: Path, tmp_path: Path) -> None:
    rows, out = tmp_path / "rows.csv", tmp_path / "out.parquet"
    rows.write_text("customer_id,event_timestamp,label\na,2024-02-01T00:00:00Z,1\na,2024-02-01T00:00:00Z,0\n")

    def result(*words: str) -> dict[str, Any]:
        outcome = CliRunner().invoke(retention, ["features", *words, "--project-dir", str(shop), "--json"])
        assert outcome.exit_code == 0, outcome.output
        return json.loads(outcome.stdout)

    assert result("apply")["views"] == {"customers": 4, "orders": 4}
    assert result("publish")["unchanged"] == 3
    assert result("historical", str(rows), "--out", str(out), "--feature", "all")["rows"] == 2
    assert pd.read_parquet(out)["orders_count_30d"].tolist() == [2, 2]
    (row,) = result("online", "a", "--feature", "orders_count_30d")["rows"]
    assert (row["status"], row["values"]) == ("present", {"orders_count_30d": 3})


# --- Databricks


class Recorder:
    """Records calls, and answers some of them."""

    def __init__(self, answers: dict[str, Any] | None = None) -> None:
        self.calls: list[tuple[str, tuple, dict]] = []
        self.answers = answers or {}

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls.append((name, args, kwargs))
            answer = self.answers.get(name)
            return answer(*args, **kwargs) if callable(answer) else answer

        return call

    def named(self, name: str) -> list[dict]:
        return [kwargs for called, _, kwargs in self.calls if called == name]


def micros(time: datetime) -> int:
    return (time - datetime(1970, 1, 1)) // MICROSECOND


@pytest.fixture
def on_databricks(tmp_path: Path) -> Iterator[SimpleNamespace]:
    settings = (
        "feature_store: {backend: databricks, databricks: {location: main.churn, online_store: shop, endpoint: e}}\n"
    )
    project = make_project(tmp_path / "shop", settings)
    statements: list[str] = []
    world = SimpleNamespace(tables=set(), gold={T1: (2, 7, 1), T2: (3, 8, 2)}, held={}, newest={}, records=[])

    def sql(statement: str) -> Any:
        statements.append(statement)
        found: list[tuple] = []
        if "xxhash64" in statement:
            contents = world.gold if "`gld_customer_features`" in statement else world.held
            found = [(micros(time), *content) for time, content in contents.items()]
        elif "newest" in statement:
            found = [(key, micros(feature), micros(valid)) for key, (feature, valid) in world.newest.items()]
        elif statement.startswith("select count(*)"):
            found = [(5,)]
        return SimpleNamespace(collect=lambda: found, sql=statement)

    spark = SimpleNamespace(
        sql=sql,
        catalog=SimpleNamespace(tableExists=lambda name: name in world.tables),
        createDataFrame=lambda rows, schema: SimpleNamespace(rows=rows, schema=schema),
    )

    def training_set(df: Any, **_: Any) -> Any:
        rows = [{"row_number_of_input": place, "orders_count_30d": 10 * place} for place, *_ in df.rows]
        return SimpleNamespace(load_df=lambda: SimpleNamespace(collect=lambda: rows))

    client = Recorder({"create_training_set": training_set, "get_online_store": lambda name: f"store {name}"})
    store = DatabricksStore(
        project, client, lambda **given: given, spark, lambda _, keys: world.records, "main.gold", clock=lambda: NOW
    )
    yield SimpleNamespace(store=store, client=client, world=world, statements=statements)


def test_feature_tables_have_keys_and_a_time_series_column(on_databricks: SimpleNamespace) -> None:
    assert on_databricks.store.apply().changed
    created = on_databricks.client.named("create_table")
    assert [call["name"] for call in created] == ["main.churn.features_customers", "main.churn.features_orders"]
    for call in created:
        assert call["primary_keys"] == ["customer_id", "valid_from"]
        assert call["timeseries_columns"] == ["valid_from"]
    assert "feature_timestamp as valid_from" in created[1]["df"].sql
    assert created[1]["tags"]["source"] == "orders"
    on_databricks.world.tables |= {call["name"] for call in created}
    assert not on_databricks.store.apply().changed


def test_databricks_merges_what_changed_and_deletes_what_is_gone(on_databricks: SimpleNamespace) -> None:
    on_databricks.world.held = {T1: (2, 7, 1), T2: (3, 0, 0), T3: (1, 1, 1)}
    published = on_databricks.store.publish()
    assert (published.written, published.removed, published.unchanged) == ((T2,), (T3,), 1)
    written = on_databricks.client.named("write_table")
    assert [(call["name"], call["mode"]) for call in written][1] == ("main.churn.features_orders", "merge")
    assert "timestamp '2024-02-01 00:00:00'" in written[0]["df"].sql
    assert "2024-01-01" not in written[0]["df"].sql
    deleted = [text for text in on_databricks.statements if text.startswith("delete")]
    assert any("2024-03-01" in text and "valid_from = feature_timestamp" in text for text in deleted)
    (first, *_) = on_databricks.client.named("publish_table")
    assert first == {
        "online_store": "store shop",
        "source_table_name": "main.churn.features_customers",
        "online_table_name": "main.churn.features_customers_online",
    }


def test_databricks_looks_up_by_time_and_keeps_equal_rows(on_databricks: SimpleNamespace) -> None:
    rows = entity_rows(("a", T2), ("b", T2), ("a", T2))
    answer = on_databricks.store.historical(rows, ["orders_count_30d"])
    assert answer.column("orders_count_30d").to_pylist() == [0, 10, 0]
    (call,) = on_databricks.client.named("create_training_set")
    assert [row[1] for row in call["df"].rows] == ["a", "b"]
    assert call["feature_lookups"] == [
        {
            "table_name": "main.churn.features_orders",
            "lookup_key": ["customer_id"],
            "timestamp_lookup_key": "valid_from",
            "feature_names": ["orders_count_30d"],
        }
    ]
    assert on_databricks.store.historical(entity_rows(), ["orders_count_30d"]).num_rows == 0


def test_databricks_pushes_count_after_they_were_created(on_databricks: SimpleNamespace) -> None:
    on_databricks.world.newest = {"a": (T3, T3), "b": (NOW, NOW)}
    counts = push(on_databricks.store, pushed("a", T3, NOW, 9), pushed("b", T3, NOW, 9))
    assert (counts["accepted"], counts["older"]) == (1, 1)
    (written,) = on_databricks.client.named("write_table")
    (row,) = written["df"].rows
    # "Not later than" in the client: not served at NOW, the moment of its creation.
    assert row[:4] == ("a", T3.replace(tzinfo=UTC), (NOW + MICROSECOND).replace(tzinfo=UTC), 9)
    assert written["df"].schema.startswith("`customer_id` string, feature_timestamp timestamp, valid_from timestamp")


def test_databricks_online(on_databricks: SimpleNamespace) -> None:
    on_databricks.world.records = [
        {"customer_id": "a", "orders_count_30d": 3, "feature_timestamp": "2024-03-01T00:00:00Z"}
    ]
    found, missing = on_databricks.store.online(["a", "x"], ["orders_count_30d"])
    assert (found.status, found.values["orders_count_30d"], found.feature_timestamp) == ("present", 3, T3)
    assert missing.status == "absent"
    with pytest.raises(UserError, match="served by Databricks"):
        on_databricks.store.serve(0)


def test_inputs_of_a_champion(fresh: Path) -> None:
    class UnavailableError(UserError):
        pass

    columns = [InputColumn(name, kind) for name, kind in INPUTS.items()]
    inputs = ChampionInputs(opened(fresh).online_features, columns, unavailable=UnavailableError)
    assert not inputs.integer_keys
    rows = inputs.rows(["b", "nobody", "a"])
    assert rows["customer_id"] == ["b", "a"]
    assert rows["feature_timestamp"].astype(object).tolist() == [T2, T3]
    expected = model_input(pd.DataFrame([newest_rows(fresh)[key] for key in ("b", "a")]), columns)
    for name in INPUTS:
        assert pd.Series(rows[name]).equals(pd.Series(expected[name].to_numpy()))
    assert inputs.newest() == T3
    for path in (fresh / "feature_store").glob("online.db*"):
        path.unlink()
    with pytest.raises(UnavailableError):
        inputs.refresh()
    opened(fresh).publish()
    assert inputs.rows(["a"])["customer_id"] == ["a"]
    with pytest.raises(UserError, match="lacks inputs of the champion: gone"):
        ChampionInputs(opened(fresh).online_features, [InputColumn("gone", "number")])
