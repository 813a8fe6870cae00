"""Scoring: typed tables, with the champion and only with the champion."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from python_ml.errors import RetentionError, UserError
from python_ml.input_columns import model_input
from python_ml.model import store
from python_ml.model.calibration import probabilities
from python_ml.model.dataset import TrainingSet
from python_ml.model.registry import Champion, ModelRegistry, load_champion
from python_ml.model.score import empty_reasons, empty_scores, reason_table, reasons, risk_band, score, score_table
from python_ml.model.tracking import record
from python_ml.model.train import train_models
from python_ml.project import Project, registered_name
from python_ml.quality import model_facts
from python_ml.settings import RiskBands, Settings
from tests.python.churn_world import quick_settings, small_world, trained, write_project

MODEL = "logistic_regression"


def champion() -> Champion:
    result = trained(MODEL)
    return Champion(result.model, result.card, 4, "run")


def scoring_set() -> pd.DataFrame:
    frame = small_world().frame
    newest = frame[frame["feature_timestamp"] == frame["feature_timestamp"].max()]
    return newest.drop(columns=["churned", "label_timestamp"])


# Pure functions -------------------------------------------------------------------------------------------


def test_scores_are_the_models_probabilities() -> None:
    frame = scoring_set()
    table = score(frame, champion(), "customer_id")
    assert list(table.columns) == list(empty_scores("customer_id").columns)
    assert table.dtypes.astype(str).to_dict() == empty_scores("customer_id").dtypes.astype(str).to_dict()
    inputs = model_input(frame, [column.column for column in champion().card.columns])
    np.testing.assert_array_equal(table["churn_probability"], probabilities(champion().model, inputs))
    assert table["customer_id"].tolist() == frame["customer_id"].tolist()
    assert set(table["model_name"]) == {MODEL}
    assert set(table["model_version"]) == {4}


def test_a_row_scores_the_same_in_any_company() -> None:
    frame = scoring_set()
    whole = score(frame, champion(), "customer_id").set_index("customer_id")["churn_probability"]
    alone = score(frame.iloc[[7]], champion(), "customer_id").set_index("customer_id")["churn_probability"]
    assert alone.iloc[0] == pytest.approx(whole[alone.index[0]], abs=1e-12)


def test_bands_are_absolute_unless_ranks_are_asked_for() -> None:
    result = trained(MODEL)
    card = result.card
    # The champion as it scores has not seen the test customers' outcomes; this world does not drift.
    found = result.predictions.query("model == @MODEL and split == 'test'")
    band = risk_band(found["probability"].to_numpy(), card.risk_bands)
    rates = found["churned"].groupby(band).mean()
    assert rates["high"] > rates["medium"] > rates["low"]
    assert card.risk_bands["medium"] == pytest.approx(min(card.base_rate, 0.25))
    assert card.band_origin["kind"] == "absolute"
    assert card.risk_bands["high"] == pytest.approx(min(max(2 * card.base_rate, card.band_origin["break_even"]), 0.5))
    assert result.metrics["risk_bands"] == card.band_origin
    edges = {"high": 0.5, "medium": 0.2}
    assert risk_band(np.array([0.5, 0.4999, 0.2, 0.1]), edges).tolist() == ["high", "medium", "medium", "low"]


def test_bands_by_rank_are_shares_of_customers_on_the_scale_of_the_champion() -> None:
    world, settings = small_world(), quick_settings((MODEL,))
    ranked = settings.scoring.model_copy(update={"risk_bands": RiskBands(kind="rank")})
    settings = settings.model_copy(update={"scoring": ranked})
    result = train_models(world.frame, world.features, "customer_id", settings)
    found = result.predictions.query("model == @MODEL and split == 'test'")
    bands = pd.Series(risk_band(found["probability"].to_numpy(), result.card.risk_bands)).value_counts(normalize=True)
    assert bands["high"] == pytest.approx(0.10, abs=0.04)
    assert bands["medium"] == pytest.approx(0.20, abs=0.06)
    assert result.card.band_origin["kind"] == "rank"


def test_keys_keep_their_type() -> None:
    frame = scoring_set().assign(customer_id=lambda f: np.arange(len(f), dtype="int64"))
    for table in (score(frame, champion(), "customer_id"), reasons(frame, champion(), "customer_id")):
        assert table["customer_id"].dtype == "int64"
    assert empty_scores("customer_id", frame)["customer_id"].dtype == "int64"


def test_columns_in_another_order_and_further_columns_change_nothing() -> None:
    frame = scoring_set()
    mixed = frame[sorted(frame.columns, reverse=True)].assign(unrelated="x")
    pd.testing.assert_frame_equal(score(mixed, champion(), "customer_id"), score(frame, champion(), "customer_id"))


def test_missing_columns_are_named() -> None:
    with pytest.raises(UserError, match="the model needs are missing: orders_count_7d"):
        score(scoring_set().drop(columns="orders_count_7d"), champion(), "customer_id")
    with pytest.raises(UserError, match="no column client_id"):
        score(scoring_set(), champion(), "client_id")
    with pytest.raises(UserError, match="no column feature_timestamp"):
        reasons(scoring_set().drop(columns="feature_timestamp"), champion(), "customer_id")


@pytest.mark.parametrize("empty", [empty_scores, empty_reasons])
def test_empty_tables_are_typed_for_duckdb(empty) -> None:
    table = empty("customer_id", scoring_set())
    with duckdb.connect() as connection:
        connection.register("incoming", table)
        described = connection.execute("describe select * from incoming").fetchall()
    types = {name: kind for name, kind, *_ in described}
    expected = {
        "customer_id": "VARCHAR",
        "feature_timestamp": "TIMESTAMP",
        "churn_probability": "DOUBLE",
        "risk_band": "VARCHAR",
        "model_name": "VARCHAR",
        "model_version": "INTEGER",
        "reason_rank": "INTEGER",
        "feature": "VARCHAR",
        "feature_value": "VARCHAR",
        "contribution": "DOUBLE",
        "reason": "VARCHAR",
    }
    assert types == {name: expected[name] for name in types}
    assert len(table) == 0


def test_nobody_to_score() -> None:
    assert score(scoring_set().iloc[:0], champion(), "customer_id").empty


# The champion in its store --------------------------------------------------------------------------------


def register(folder: Path, name: str = "shop") -> int:
    """Record a run, and make its model champion, as a promotion does."""
    world = small_world()
    result = trained(MODEL)
    version = record(
        result,
        TrainingSet(world.frame, world.features, "customer_id", {}, "warehouse.duckdb", "0" * 64),
        Settings(),
        tracking_uri=f"sqlite:///{folder / 'mlflow.db'}",
        root=folder,
        project_name=name,
        experiment=name,
        training_facts=model_facts(result.dataset, result.card, world.features).to_json(),
    ).version
    client = store.open_store(f"sqlite:///{folder / 'mlflow.db'}")
    ModelRegistry(client, registered_name(name), folder).give(store.ALIAS, version)
    return version


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a registered champion; tests that change it work on a copy."""
    folder = write_project(tmp_path_factory.mktemp("scoring") / "a shop", small_world())
    register(folder)
    return folder


@pytest.fixture
def shop(stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project, moved to another folder than the one it was trained in."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Path(shutil.copytree(stored, tmp_path / "moved shop"))


def own_files(folder: Path) -> Path:
    """Folder of the model's files inside a copied project."""
    return next(folder.glob("mlartifacts/models/*/artifacts"))


@pytest.fixture
def without_original(stored: Path):
    """Hide the files at the place that the store remembers."""
    hidden = stored / "hidden"
    (stored / "mlartifacts").rename(hidden)
    yield
    hidden.rename(stored / "mlartifacts")


def test_the_champion_comes_back_as_it_was(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    found = load_champion(Project.open(stored))
    assert found.version == 1
    assert found.card == trained(MODEL).card
    np.testing.assert_array_equal(
        score(scoring_set(), found, "customer_id")["churn_probability"],
        score(scoring_set(), champion(), "customer_id")["churn_probability"],
    )
    assert load_champion(Project.open(stored)) is found, "one process opens a champion once"


def test_a_moved_project_finds_its_champion(shop: Path, without_original: None) -> None:
    assert load_champion(Project.open(shop)).version == 1


def test_a_moved_project_trains_into_its_own_folder(shop: Path, without_original: None, stored: Path) -> None:
    assert register(shop) == 2
    assert len(list(shop.glob("mlartifacts/models/*"))) == 2
    assert not (stored / "mlartifacts").exists()
    assert load_champion(Project.open(shop)).version == 2


@pytest.mark.parametrize("file", ["model.pkl", "extra_files/model_card.json", "requirements.txt"])
def test_changed_files_are_not_opened(shop: Path, without_original: None, file: str) -> None:
    path = own_files(shop) / file
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(RetentionError, match="differ from those that were registered"):
        load_champion(Project.open(shop))


def test_added_and_lost_files_are_noticed(shop: Path, without_original: None) -> None:
    added = own_files(shop) / "sitecustomize.py"
    added.write_text("")
    with pytest.raises(RetentionError, match="differ"):
        load_champion(Project.open(shop))
    added.unlink()
    assert load_champion(Project.open(shop)) is not None
    shutil.rmtree(shop / "mlartifacts")
    with pytest.raises(RetentionError, match="files are gone"):
        load_champion(Project.open(shop))


def test_a_model_that_we_did_not_register_is_not_opened(shop: Path, without_original: None) -> None:
    client = store.open_store(Project.open(shop).tracking_uri)
    client.delete_model_version_tag("shop_churn", "1", store.DIGEST_TAG)
    with pytest.raises(RetentionError, match="carries no checksum"):
        load_champion(Project.open(shop))


def test_without_alias_or_model_there_is_no_champion(shop: Path, tmp_path: Path) -> None:
    client = store.open_store(Project.open(shop).tracking_uri)
    client.delete_registered_model_alias("shop_churn", "champion")
    assert load_champion(Project.open(shop)) is None
    client.delete_registered_model("shop_churn")
    assert load_champion(Project.open(shop)) is None


def test_no_store_is_no_champion_and_makes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = write_project(tmp_path, small_world())
    assert load_champion(Project.open(folder)) is None
    assert not (folder / "mlflow.db").exists()


def test_a_relative_store_lies_in_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stored: Path) -> None:
    assert store.absolute_uri("http://tracking", tmp_path) == "http://tracking"
    assert store.absolute_uri("sqlite:////x/y.db", tmp_path) == "sqlite:////x/y.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    monkeypatch.chdir(tmp_path)
    assert load_champion(Project.open(stored)).version == 1
    assert not (tmp_path / "mlflow.db").exists()


def test_a_broken_store_is_not_taken_for_an_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = write_project(tmp_path, small_world())
    (folder / "mlflow.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(Exception, match="database"):
        load_champion(Project.open(folder))


def test_the_digest_covers_names_and_contents(tmp_path: Path) -> None:
    def digest(files: dict[str, str]) -> str:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return store.files_digest(folder)

    base = digest({"a": "1", "b/c": "2"})
    assert base == digest({"b/c": "2", "a": "1", "registered_model_meta": "later"})
    others = [{"a": "1", "b/d": "2"}, {"a": "12", "b/c": ""}, {"a": "1"}, {"a": "1", "b/c": "2", "d": ""}]
    assert len({base, *(digest(files) for files in others)}) == 5


# What dbt calls -------------------------------------------------------------------------------------------


def test_dbts_tables_find_the_project_and_its_champion(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("RETENTION_PROJECT_DIR", str(stored))
    scores = score_table(duckdb.connect(), scoring_set(), "customer_id")
    assert len(scores) == 220
    assert scores["churn_probability"].between(0, 1).all()
    assert reason_table(duckdb.connect(), scoring_set(), "customer_id")["reason_rank"].max() == 3
    (stored / "retention.yml").write_text("scoring: {reasons: 1}\n", encoding="utf-8")
    assert reason_table(duckdb.connect(), scoring_set(), "customer_id")["reason_rank"].max() == 1
    (stored / "retention.yml").unlink()


def test_dbts_tables_are_empty_and_warn_without_a_champion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = write_project(tmp_path, small_world())
    monkeypatch.delenv("RETENTION_PROJECT_DIR", raising=False)
    monkeypatch.chdir(folder)
    with pytest.warns(UserWarning, match="no champion yet"):
        assert score_table(duckdb.connect(), scoring_set(), "customer_id").empty
    with pytest.warns(UserWarning, match="retention train"):
        assert reason_table(duckdb.connect(), scoring_set(), "customer_id").empty


def test_what_was_scored_outside_of_dbt_is_what_the_models_return(
    stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from python_ml.model.score import handed_over

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("RETENTION_PROJECT_DIR", str(stored))
    frame, champion = scoring_set(), load_champion(Project.open(stored))
    session = duckdb.connect()
    scores, why = score_table(session, frame, "customer_id"), reason_table(session, frame, "customer_id")
    with handed_over(frame, champion, "customer_id", top=3) as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        # The models see nothing but the tables: not even the rows.
        tables = [make(session, frame.iloc[:0], "customer_id") for make in (score_table, reason_table)]
    for made, table in zip((scores, why), tables, strict=True):
        with duckdb.connect() as connection:
            connection.register("made", made)
            connection.register("other", table)
            columns = connection.execute("describe made").fetchall()
            assert columns == connection.execute("describe other").fetchall()
            query = "select count(*) from (from made except all from other)"
            assert len(made) == table.num_rows
            assert connection.execute(query).fetchall() == [(0,)]


# The command ----------------------------------------------------------------------------------------------


def test_the_command_counts_customers_per_band(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from python_ml import dbt
    from python_ml.cli.score import command

    asked = []

    def run_dbt(project: Project, arguments: list[str], console: object, environment: dict[str, str]) -> dict:
        """Stand in for dbt: the two tables, without the tests."""
        asked.append(arguments)
        with duckdb.connect(str(project.warehouse_path)) as connection:
            scores = score(scoring_set(), load_champion(project), "customer_id")
            connection.register("scores", scores)
            connection.execute("create or replace table gold.gld_churn_scores as select * from scores")
        return {}

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(dbt, "run_dbt", run_dbt)
    run = CliRunner().invoke(command, ["--project-dir", str(stored), "--json"])
    assert run.exit_code == 0, run.output
    result = json.loads(run.stdout)
    chosen = ["--select", "gld_churn_scores_raw+ gld_churn_reasons_raw+", "--exclude", "gld_retention_actions_raw+"]
    assert asked == [["build", *chosen]]
    assert result["customers"] == 220 == sum(result["risk_bands"].values())
    assert set(result["risk_bands"]) == {"high", "medium", "low"}
    assert result["band_kind"] == "absolute"
    assert (result["model_name"], result["model_version"]) == (MODEL, 1)


def test_the_command_without_a_champion_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from python_ml.cli.options import Console
    from python_ml.cli.score import score as score_project

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(UserError, match="retention train"):
        score_project(Project.open(write_project(tmp_path, small_world())), Console())


def test_commands_import_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "import python_ml.cli, python_ml.cli.train, python_ml.cli.score, python_ml.settings\n"
        "heavy = {'pandas', 'numpy', 'sklearn', 'mlflow', 'shap', 'matplotlib', 'duckdb', 'dbt', 'scipy'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
