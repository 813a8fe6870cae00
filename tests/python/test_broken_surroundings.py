"""Whatever is broken around a project ends in one message: what, where, how to fix it; and in exit code 2."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import duckdb
import mlflow
import pytest
import yaml

from python_ml.dbt import DbtProcess
from python_ml.errors import UserError
from python_ml.model import store, tracking
from python_ml.model.dataset import TrainingSet
from python_ml.model.registry import ModelRegistry, load_champion
from python_ml.project import Project, sqlite_path, sqlite_uri
from python_ml.settings import Settings
from tests.python.broken_surroundings import DEEP, IN_A_PROJECT, LONG
from tests.python.churn_world import quick_settings, small_world, trained, write_project
from tests.python.command_line import command, command_here
from tests.python.hostile_files import csv_file

PROFILES = """
shop:
  target: dev
  outputs:
    dev: {type: duckdb, path: "{{ env_var('RETENTION_DUCKDB_PATH', 'warehouse.duckdb') }}"}
    other: {type: duckdb, path: other.duckdb}
    spark: {type: spark, method: session, host: NA, schema: main}
    databricks: {type: databricks, catalog: main, schema: x, host: h, http_path: p, token: t}
"""


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after `retention train` and `retention report`, which dbt can build as well."""
    folder = write_project(tmp_path_factory.mktemp("broken") / "made", small_world())
    config = yaml.safe_load((folder / "dbt_project.yml").read_text()) | {"profile": "shop", "version": "1.0"}
    (folder / "dbt_project.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (folder / "profiles.yml").write_text(PROFILES, encoding="utf-8")
    (folder / "models").mkdir()
    (folder / "models" / "one.sql").write_text("select 1 as one\n", encoding="utf-8")
    settings = {"training": quick_settings(("logistic_regression",)).training.model_dump(mode="json")}
    (folder / "retention.yml").write_text(json.dumps(settings), encoding="utf-8")
    for word in ("train", "report"):
        made = command_here(folder, word)
        assert made.returncode == 0, made.stderr
    # The store remembers where it was made; a copy must use its own files.
    return folder.rename(folder.with_name("shop"))


@pytest.fixture
def shop(stored: Path, tmp_path: Path) -> Path:
    """A copy that may be broken."""
    return Path(shutil.copytree(stored, tmp_path / "shop"))


def explained(outcome, *said: str) -> None:
    """One message, with where and how to fix it."""
    assert outcome.returncode == 2, outcome.stderr
    assert f"\n{outcome.stderr}".count("\nError:") == 1
    assert "Traceback" not in outcome.stderr + outcome.stdout
    message = outcome.stderr.partition("Error:")[2]
    assert "where:" in message
    assert "hint:" in message
    assert all(part in message for part in said), message


@pytest.mark.parametrize("name", IN_A_PROJECT)
def test_in_a_project(shop: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    situation = IN_A_PROJECT[name]
    situation.arrange(shop, monkeypatch)
    explained(command_here(shop, *situation.words, variables=situation.variables), *situation.said)


# A warehouse that another process holds --------------------------------------------------------------------


@pytest.fixture
def held(shop: Path) -> Iterator[tuple[Path, int]]:
    """A project whose warehouse another process holds, and that process's number."""
    code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(shop / "warehouse.duckdb")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"held\n"
        yield shop, process.pid
        process.stdin.close()


def test_a_locked_warehouse_says_who_holds_it(held: tuple[Path, int]) -> None:
    shop, pid = held
    messages = set()
    for words in (("build",), ("run",), ("train",), ("report",)):
        outcome = command_here(shop, *words)
        explained(outcome, f"in use by process {pid}", "warehouse.duckdb", "close it")
        messages.add(outcome.stderr.partition("Error:")[2])
        assert len(outcome.stderr.splitlines()) < 8, "one message, and nothing of dbt's"
    assert len(messages) == 1


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("IO Error: Could not write file: No space left on device", "no space left"),
        ('IO Error: No files found that match the pattern "/raw/orders.csv"', "/raw/orders.csv"),
        ("Out of Memory Error: failed to allocate data of size 1 GiB", "not enough memory"),
    ],
)
@pytest.mark.parametrize("in_a_model", [True, False])
def test_what_stops_dbt_is_told_by_its_cause(
    stored: Path, monkeypatch: pytest.MonkeyPatch, message: str, said: str, in_a_model: bool
) -> None:
    def follow(process: DbtProcess, console: object) -> list[str]:
        node = {"status": "error", "unique_id": "model.shop.one", "message": f"Runtime Error in model one {message}"}
        results = {"results": [node] if in_a_model else []}
        (process.target_path / "run_results.json").write_text(json.dumps(results), encoding="utf-8")
        return ["Runtime Error" if in_a_model else message]

    monkeypatch.setattr("python_ml.dbt.PYTHON", ["true"])  # the project is shared: nothing may be parsed there
    monkeypatch.setattr(DbtProcess, "_follow", follow)
    explained(command_here(stored, "build"), said)


# Raw files that moved ---------------------------------------------------------------------------------------


def test_a_replay_says_which_raw_file_is_gone(shop: Path) -> None:
    raw = shop / "orders.csv"
    raw.write_text("customer_id,ordered_at\nc1,2023-01-01\n", encoding="utf-8")
    with duckdb.connect(str(shop / "warehouse.duckdb")) as connection:
        connection.execute(f"create view raw.orders as select * from read_csv('{raw}')")
        connection.execute(
            "create table gold.gld_customer_features as "
            "select * exclude (churned, label_timestamp) from gold.gld_training_set"
        )
    features, source = "model.shop.gld_customer_features", "source.shop.raw.orders"
    manifest = json.loads((shop / "target" / "manifest.json").read_text(encoding="utf-8"))
    manifest["parent_map"] = {features: [source]}
    manifest["sources"] = {
        source: {
            "resource_type": "source",
            "schema": "raw",
            "name": "orders",
            "config": {"meta": {"time": {"event_at": "ordered_at"}}},
        }
    }
    (shop / "target" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    raw.rename(shop / "moved.csv")
    explained(command_here(shop, "replay", "--as-of", "2023-06-01"), str(raw), "RETENTION_RAW_DIR")


# Metrics ----------------------------------------------------------------------------------------------------


def test_a_good_report_is_not_replaced_by_one_of_damaged_metrics(shop: Path) -> None:
    page, path = shop / "reports" / "index.html", shop / "reports" / "metrics.json"
    good, before = json.loads(path.read_text(encoding="utf-8")), page.read_bytes()
    area = good["test"]["roc_auc"]
    for damage in (
        {"test": None},
        {"test": good["test"] | {"roc_auc": area | {"value": 17.0}}},
        {"test": good["test"] | {"roc_auc": area | {"value": float("nan")}}},
        {"test": good["test"] | {"brier": "0.1"}},
        {"models": [1]},
        {"models": good["models"] | {"logistic_regression": {"test": {"pr_auc": {"low": 0.1}}}}},
        {"champion": {"version": 1}},
        {"warnings": "none"},
        {"split": 3},
    ):
        path.write_text(json.dumps(good | damage), encoding="utf-8")
        explained(command_here(shop, "report"), "metrics.json", next(iter(damage)), "retention train")
        assert page.read_bytes() == before
    path.write_text(json.dumps(good), encoding="utf-8")
    assert command_here(shop, "report").returncode == 0


# Runs that were killed --------------------------------------------------------------------------------------


def test_runs_that_were_killed_are_closed_by_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_project(tmp_path / "shop", small_world())

    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt  # stands for SIGKILL: nothing is closed below

    with monkeypatch.context() as patch:
        patch.setattr(tracking, "_log_model", killed)
        patch.setattr(mlflow.tracking.fluent.ActiveRun, "__exit__", lambda *arguments: False)
        with pytest.raises(KeyboardInterrupt):
            record_run(folder)
    mlflow.tracking.fluent._active_run_stack.set([])
    client = store.open_store(sqlite_uri(folder / "mlflow.db"))
    (experiment,) = (e for e in client.search_experiments() if e.name == "shop")
    assert [run.info.status for run in client.search_runs([experiment.experiment_id])] == ["RUNNING", "RUNNING"]
    other = client.create_run(experiment.experiment_id)  # of a notebook, and not ours to close
    registered = record_run(folder)
    found = {run.info.run_id: run.info.status for run in client.search_runs([experiment.experiment_id])}
    assert found[registered.run_id] == "FINISHED"
    assert found[other.info.run_id] == "RUNNING"
    assert sorted(found.values()) == ["FINISHED", "FINISHED", "KILLED", "KILLED", "RUNNING"]


def record_run(folder: Path) -> tracking.Registration:
    world = small_world()
    return tracking.record(
        trained("logistic_regression"),
        TrainingSet(world.frame, world.features, "customer_id", {}, "warehouse.duckdb", "0" * 64),
        Settings(),
        tracking_uri=sqlite_uri(folder / "mlflow.db"),
        root=folder,
        project_name="shop",
        experiment="shop",
        training_facts="{}",
    )


# Names of folders and files ---------------------------------------------------------------------------------


def test_folder_names_with_marks_of_addresses(stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "b %41 #c"
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder, before = Path(shutil.copytree(stored, tmp_path / name)), sorted(Path().iterdir())
    assert sqlite_path(Project.open(folder).tracking_uri) == folder / "mlflow.db"
    assert record_run(folder).version == 2
    ModelRegistry.of(Project.open(folder)).give(store.ALIAS, 2)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert sorted(Path().iterdir()) == before
    assert len(list(folder.glob("mlartifacts/models/*/artifacts/model.pkl"))) == 2
    assert load_champion(Project.open(folder)).version == 2


def test_a_question_mark_in_an_address_is_escaped_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "a?b %3F" / "mlflow.db"
    if version("sqlalchemy").startswith("2.0."):
        with pytest.raises(UserError, match="question mark"):
            sqlite_uri(path)
    else:
        assert sqlite_path(sqlite_uri(path)) == path


def test_duckdb_cannot_write_below_a_question_mark(stored: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(stored, tmp_path / "a?b"))
    csv_file(tmp_path, (), lambda number: [], rows=60)
    for where, words in ((folder, ("build",)), (tmp_path, ("init", "c?d", "--yes", "--data", "orders.csv"))):
        explained(command_here(where, *words), "question mark", "RETENTION_DUCKDB_PATH")
    assert not (tmp_path / "c?d").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("profile", "größe.csv", "--out", "made"), ("größe.csv", "PYTHONUTF8=1")),
        (("init", "made", "--yes", "--data", "größe.csv"), ("größe.csv", "PYTHONUTF8=1")),
    ],
)
def test_file_names_beyond_the_locale(tmp_path: Path, words: tuple[str, ...], said: tuple[str, ...]) -> None:
    (tmp_path / "größe.csv").write_text("customer_id,day\n" + "c,2024-01-01\n" * 30, encoding="utf-8")
    outcome = command(tmp_path, *words, variables={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})
    assert outcome.returncode == 2, outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert all(part in outcome.stderr.encode("ascii", "backslashreplace").decode("unicode_escape") for part in said)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("simulate", "--customers", "5", "--months", "3", "--out", "file"), ("file",)),
        (("simulate", "--customers", "5", "--months", "3", "--out", LONG), ("too long", "xxx")),
        (("simulate", "--customers", "5", "--months", "3", "--out", "loop/made"), ("loop",)),
        (("profile", "orders.csv", "--out", LONG), ("too long", "xxx")),
        (("profile", "orders.csv", "--out", "file/made"), ("file",)),
        (("profile", "loop"), ("loop",)),
        (("profile", LONG), ("xxx",)),
        (("init", LONG, "--yes", "--data", "orders.csv"), ("too long", "xxx")),
        (("init", "loop", "--yes", "--data", "orders.csv"), ("loop",)),
        (("generate", "--project-dir", "loop"), ("loop",)),
    ],
    ids=lambda value: " ".join(value)[:50],
)
def test_places_that_cannot_be_written(tmp_path: Path, words: tuple[str, ...], said: tuple[str, ...]) -> None:
    csv_file(tmp_path, (), lambda number: [], rows=60)
    (tmp_path / "file").write_text("a file", encoding="utf-8")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    explained(command_here(tmp_path, *words), *said)


def test_output_that_cannot_be_written(stored: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    with full.open("w") as out:
        outcome = subprocess.run(
            [sys.executable, "-m", "python_ml", "snapshot", "list", "--project-dir", str(stored)],
            stdout=out, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert outcome.returncode == 2, outcome.stderr
    assert "no space left" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert "Exception ignored" not in outcome.stderr


@pytest.mark.parametrize("name", ["index.html", "findings.yaml"])
def test_a_profile_replaces_its_own_files_only(tmp_path: Path, name: str) -> None:
    csv_file(tmp_path, (), lambda number: [], rows=60)
    for _ in range(2):
        assert command_here(tmp_path, "profile", "orders.csv", "--out", "made").returncode == 0
    (tmp_path / "made" / name).write_text("# What `retention init` measured\n", encoding="utf-8")
    before = {path: path.read_bytes() for path in (tmp_path / "made").iterdir()}
    explained(command_here(tmp_path, "profile", "orders.csv", "--out", "made"), name, "not replaced")
    assert {path: path.read_bytes() for path in (tmp_path / "made").iterdir()} == before


# What `retention init` leaves behind ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated")
    csv_file(folder, (), lambda number: [])
    made = command_here(folder, "init", "made", "--yes", "--data", "orders.csv")
    assert made.returncode == 0, made.stderr
    return folder / "made"


@pytest.mark.parametrize("content", [DEEP, "[]", "{", "3", '{"version": 2, "files": 3, "conflicts": {}}', b"\xff"])
@pytest.mark.parametrize("name", ["generated.json", "profile.json", "proposed.json"])
def test_damaged_state_of_a_project(generated: Path, tmp_path: Path, name: str, content: str | bytes) -> None:
    folder = Path(shutil.copytree(generated, tmp_path / "made", symlinks=True))
    path = folder / ".retention" / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    outcome = command_here(folder, "recommend" if name == "proposed.json" else "generate")
    explained(outcome, name)


@pytest.mark.parametrize("link", ["models", "models/gold", "docs", ".retention", "dbt_packages", "packages"])
def test_generate_does_not_follow_links_out_of_the_project(generated: Path, tmp_path: Path, link: str) -> None:
    folder = Path(shutil.copytree(generated, tmp_path / "made", symlinks=True))
    outside = tmp_path / "outside"
    (folder / link).rename(outside)
    (folder / link).symlink_to(outside, target_is_directory=True)
    for path in outside.rglob("*.sql"):
        path.unlink()
    before = sorted(outside.rglob("*"))
    explained(command_here(folder, "generate"), link, "outside of the project")
    assert sorted(outside.rglob("*")) == before


# A bug of ours ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ValueError("wrong"), KeyError("wrong"), RecursionError("ours")])
def test_a_bug_keeps_its_trace_and_asks_to_be_reported(
    shop: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def broken(*arguments: object) -> None:
        exec(compile("raise error", "<bug>", "exec"), {"error": error, "__name__": "python_ml.broken"})

    monkeypatch.setattr("python_ml.report.create_report", broken)
    with pytest.raises(type(error)) as raised:
        command_here(shop, "report")
    assert "report it" in raised.value.__notes__[0]
    assert "retention --version" in raised.value.__notes__[0]
