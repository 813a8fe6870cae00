"""Champion and challenger: compared on rows that neither was fitted on, decided, recorded, taken back."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
import yaml
from fairlearn.metrics import equalized_odds_difference

import python_ml
from python_ml.api.results import RegisteredModel
from python_ml.cli.options import Console
from python_ml.cli.train import _settle
from python_ml.decisions.campaign import read_judged
from python_ml.decisions.survival.training import study_of
from python_ml.diagnostics.diagnosis import FAIRNESS, FAIRNESS_TABLE
from python_ml.errors import UserError
from python_ml.model import promotions
from python_ml.model.comparison import Contender, decide, equalised_odds_gap, unseen_scores
from python_ml.model.dataset import TrainingSet
from python_ml.model.evaluate import paired_differences
from python_ml.model.held_out import hashes, held_out_scores
from python_ml.model.identity import READ, training_identity
from python_ml.model.registry import ModelRegistry, load_champion, open_files
from python_ml.model.train import train_models
from python_ml.project import Project
from python_ml.report import render_report, update_model_card
from python_ml.settings import Settings
from python_ml.settings.section import Section
from python_ml.snapshots.training_rows import read_training_set
from python_ml.warehouse import write_table
from tests.python.churn_world import quick_settings, small_world, trained, write_project
from tests.python.command_line import command_here, rows
from tests.python.report_world import synthetic_inputs

KEY = "customer_id"
DEFINITIONS = {"horizon": "30d", "gap": "0d"}
SHA = "a" * 64


def training_set(frame: pd.DataFrame | None = None, sha256: str | None = SHA, **definitions: object) -> TrainingSet:
    world = small_world()
    return TrainingSet(
        world.frame if frame is None else frame, world.features, KEY, {**DEFINITIONS, **definitions}, "here", sha256
    )


def contender(version: int, name: str = "logistic_regression", **changes: object) -> Contender:
    result = trained(name)
    held_out = held_out_scores(result.predictions, result.champion, KEY)
    return replace(Contender(version, result.model, result.card, SHA, DEFINITIONS, held_out), **changes)


def shuffled(version: int, seed: int = 0) -> Contender:
    """A model that ranks at random, judged by its held-out scores."""
    one = contender(version)
    probability = np.random.default_rng(seed).permutation(one.held_out["probability"])
    return replace(one, held_out=one.held_out.assign(probability=probability))


# The rows that may decide --------------------------------------------------------------------------------------


def test_scores_kept_with_the_model_are_those_of_its_test_rows() -> None:
    result, one = trained("logistic_regression"), contender(1)
    scores = unseen_scores(one, training_set())
    is_test = (small_world().frame["feature_timestamp"] >= pd.Timestamp(one.card.fitted_on["before"])).to_numpy()
    np.testing.assert_array_equal(np.isfinite(scores), is_test)
    expected = result.predictions.query("split == 'test' and model == 'logistic_regression'")
    assert np.sort(scores[is_test]) == pytest.approx(np.sort(expected["probability"]))
    # Of other rows, the model scores those from the end of its labels on, and these come out the same.
    again = unseen_scores(one, training_set(sha256="b" * 64))
    np.testing.assert_allclose(again, scores, rtol=1e-12)
    assert not {"c00001"} & set(one.held_out.astype(str).to_numpy().ravel()), "customers are not named"


def test_rows_that_the_champion_may_have_been_fitted_on_are_left_out() -> None:
    later = contender(1)
    last = small_world().frame["feature_timestamp"].max()
    later = replace(later, card=replace(later.card, fitted_on={**later.card.fitted_on, "before": last.isoformat()}))
    decision = decide(contender(2), replace(later, dataset_sha256="b" * 64), training_set(), Settings())
    tested = np.isfinite(unseen_scores(contender(2), training_set())).sum()
    newest = (small_world().frame["feature_timestamp"] == last).sum()
    assert decision.figures["rows"] == newest
    assert decision.figures["excluded_rows"] == tested - newest > 0
    assert "may have been fitted on them" in decision.reason


def test_without_times_only_customers_that_were_not_there_are_scored() -> None:
    one = contender(1)
    frame = small_world().frame.drop_duplicates(KEY)
    half = set(frame[KEY].iloc[:110])
    customer, row = hashes(frame[frame[KEY].isin(half)], KEY)
    kept = pd.DataFrame({"customer": customer, "row": row, "probability": 0.5})
    card = replace(one.card, fitted_on={**one.card.fitted_on, "from": None, "to": None, "before": None})
    static = replace(one, card=card, held_out=kept)
    scores = unseen_scores(static, training_set(frame, sha256="b" * 64))
    np.testing.assert_array_equal(np.isfinite(scores), ~frame[KEY].isin(half))
    # With the rows of its own training, out-of-fold scores say it for all of them.
    assert (unseen_scores(static, training_set(frame))[frame[KEY].isin(half)] == 0.5).all()


def test_trainings_on_one_static_table_are_compared_out_of_fold() -> None:
    quick = {"training": {"bootstrap_replicates": 20, "calibration_folds": 2, "cross_validation": {"folds": 2}}}
    static = python_ml.example_frame(200).drop(columns="as_of")
    result = python_ml.train(static, models="logistic_regression", settings=quick)
    held_out = held_out_scores(result.predictions, result.champion, KEY)
    one = Contender(1, result.model, result.card, SHA, {}, held_out)
    rows_now = TrainingSet(result.dataset, [], KEY, {}, "here", SHA)
    scores = unseen_scores(one, rows_now)
    assert np.isfinite(scores).all(), "every row was held out once"
    fitted = result.predict_proba(result.dataset)[:, 1]
    assert np.abs(scores - fitted).max() > 0.001, "not by the model that was fitted on it"
    random = replace(one, held_out=held_out.assign(probability=np.linspace(0.1, 0.5, 200)))
    assert decide(one, random, rows_now, Settings()).promoted


def test_too_few_rows_decide_nothing() -> None:
    far = contender(1)
    card = replace(far.card, fitted_on={**far.card.fitted_on, "before": "2030-01-01T00:00:00"})
    decision = decide(contender(2), replace(far, card=card, dataset_sha256="b" * 64), training_set(), Settings())
    assert not decision.promoted
    assert "only 0 rows" in decision.reason


# The decision --------------------------------------------------------------------------------------------------


def test_a_better_model_replaces_a_worse_one_and_not_the_other_way_round() -> None:
    good, bad = contender(2), shuffled(1)
    decision = decide(good, bad, training_set(), Settings())
    assert decision.promoted
    assert decision.figures["difference"] > decision.figures["low"] > 0
    assert not decide(shuffled(3), contender(2), training_set(), Settings()).promoted


def test_equal_models_leave_the_champion_in_place() -> None:
    decision = decide(contender(2), contender(1), training_set(), Settings())
    assert not decision.promoted
    assert decision.figures["difference"] == 0
    assert "it is not better in 95%" in decision.reason


def test_random_challengers_rarely_win() -> None:
    champion = shuffled(0, seed=99)
    settings = quick_settings(bootstrap_replicates=100)
    won = [decide(shuffled(n, seed=n), champion, training_set(), settings).promoted for n in range(20)]
    assert sum(won) <= 4  # of 20 at a confidence of 95 %: more than 4 would happen once in 400


def test_a_margin_and_a_worse_calibration_refuse() -> None:
    good, bad = contender(2), shuffled(1)
    strict = Settings.model_validate({"registry": {"promotion": {"margin": 0.49}}})
    assert "not better by 0.49" in decide(good, bad, training_set(), strict).reason
    # The order is kept, so the ROC AUC still wins; probabilities are far off.
    off = replace(good, held_out=good.held_out.assign(probability=good.held_out["probability"] ** 3))
    decision = decide(off, bad, training_set(), Settings())
    assert not decision.promoted
    assert "calibration error is worse" in decision.reason


def test_a_wider_gap_between_groups_refuses() -> None:
    declared = Settings.model_validate({"fairness": {"sensitive": ["is_basic"]}})
    good, bad = contender(2), shuffled(1)
    basic = small_world().frame["customer_plan"].to_numpy() == "basic"
    scores = unseen_scores(good, training_set())
    lifted = pd.Series(np.where(basic, 0.5 + scores / 2, scores / 2), index=hashes(small_world().frame, KEY)[1])
    unfair = replace(good, held_out=good.held_out.assign(probability=lifted.reindex(good.held_out["row"]).to_numpy()))
    decision = decide(unfair, bad, training_set(small_world().frame.assign(is_basic=basic)), declared)
    assert not decision.promoted
    assert "between groups of is_basic" in decision.reason
    assert decision.figures["fairness"]["is_basic"]["challenger"] > 0.05


def test_groups_of_a_comparison_are_those_of_the_diagnostics() -> None:
    frame = small_world().frame
    rng = np.random.default_rng(0)
    number = rng.permutation(len(frame)).astype(float)  # no value twice: quarters, not a group for each
    rare = np.where(frame[KEY] == frame[KEY].iloc[-1], "one customer", "everybody else")
    columns = {"number": number, "rare": rare}
    declared = Settings.model_validate({"fairness": {"sensitive": [*columns]}})
    decision = decide(contender(2), shuffled(1), training_set(frame.assign(**columns)), declared)
    assert [*decision.figures["fairness"]] == ["number"], "of `rare`, one group alone is large enough"
    assert all(0 < gap < 0.5 for gap in decision.figures["fairness"]["number"].values())


def test_the_gap_between_groups_is_fairlearns() -> None:
    rng = np.random.default_rng(1)
    n = 600
    scores, churned, groups = rng.random(n), rng.integers(0, 2, n), rng.integers(0, 3, n)
    flagged = scores >= np.quantile(scores, 0.9)
    expected = equalized_odds_difference(churned, flagged, sensitive_features=groups)
    gaps = equalised_odds_gap(scores, churned, groups, np.arange(n), replicates=20)
    assert gaps[0] == pytest.approx(expected)
    assert len(gaps) == 21


def test_paired_differences_are_those_of_the_same_resamples() -> None:
    rng = np.random.default_rng(2)
    churned, a = rng.integers(0, 2, 300), rng.random(300)
    customers = np.repeat(np.arange(100), 3)
    same = paired_differences(churned, (a, a), customers, ["roc_auc", "brier"], replicates=20)
    assert (same["roc_auc"] == 0).all() and (same["brier"] == 0).all()
    # In the direction of better: an opposite ranking is worse, in every resample.
    worse = paired_differences(
        churned, (np.where(churned, 0.1, 0.9), a), customers, ["roc_auc", "brier"], replicates=20
    )
    assert (worse["roc_auc"] < 0).all() and (worse["brier"] < 0).all()


def test_a_champion_of_other_columns_or_another_outcome_makes_way() -> None:
    frame = small_world().frame.rename(columns={"orders_count_30d": "orders_number_30d"})
    old = replace(contender(1), dataset_sha256="b" * 64)
    decision = decide(contender(2), old, training_set(frame), Settings())
    assert decision.promoted
    assert "version 1 cannot score the current columns" in decision.reason
    assert "orders_count_30d" in decision.reason
    new = contender(2, definitions={"horizon": "60d", "gap": "0d"})
    decision = decide(new, contender(1), training_set(horizon="60d"), Settings())
    assert decision.promoted
    assert decision.reason == "version 1 predicts another outcome: horizon 30d, now 60d"
    # And the other way round: who asks for the old one is refused.
    assert not decide(contender(1), new, training_set(horizon="60d"), Settings()).promoted


def test_what_makes_a_training_the_same() -> None:
    base = training_identity(training_set(), Settings())
    later = {
        "registry": {"promotion": {"margin": 1}},
        "backtest": {"origins": 3},
        "explain": {"segments": ["region"]},
        "fairness": {"sensitive": ["region"]},
        "scoring": {"reasons": 5},
        "survival": {"cap_days": 90},
        "decisions": {"budget": 1_000, "max_contacts": 20, "holdout_share": 0.2},
        "mlflow": {"experiment": "elsewhere"},
    }
    assert base == training_identity(training_set(), Settings.model_validate(later))
    earlier = [
        {"survival": {"periods": 3}},
        {"decisions": {"contact_cost": 1}},
        {"scoring": {"risk_bands": {"high": 0.4}}},
        {"features": {"exclude": ["x"]}},
        {"quality": {"accept": {"x": "known"}}},
    ]
    changed = [training_identity(training_set(), Settings.model_validate(settings)) for settings in earlier]
    assert len({base, *changed}) == 1 + len(earlier)
    others = [
        training_identity(training_set(), Settings.model_validate({"decisions": {"contact_cost": 2}})),
        training_identity(training_set(sha256="b" * 64), Settings()),
        training_identity(training_set(horizon="60d"), Settings()),
        training_identity(training_set(), quick_settings()),
        training_identity(training_set(), Settings(), small_world().oracle),
    ]
    assert len({base, *others}) == 6
    assert training_identity(training_set(sha256=None), Settings()) is None


def test_a_training_reads_no_other_settings_than_those_of_its_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    settings, seen = quick_settings(("logistic_regression",)), set()
    sections = {type(getattr(settings, name)): name for name in Settings.model_fields}
    read = Section.__getattribute__

    def noted(self: Section, name: str) -> object:
        if type(self) is Settings and name in Settings.model_fields:
            seen.add(name)
        elif type(self) in sections and name in type(self).model_fields:
            seen.add(f"{sections[type(self)]}.{name}")
        return read(self, name)

    monkeypatch.setattr(Section, "__getattribute__", noted)
    world = small_world()
    result = train_models(world.frame, world.features, KEY, settings, label=dict(DEFINITIONS))
    study_of(result, DEFINITIONS, settings, None)
    parts = {name.partition(".")[0]: name for name in seen}
    assert set(parts) <= set(READ)
    for section in ("scoring", "survival", "decisions"):
        fields = {name.partition(".")[2] for name in seen if name.startswith(f"{section}.")}
        assert fields and fields - {"enabled"} <= READ[section], section


# The commands, one after the other on one project --------------------------------------------------------------


@pytest.fixture(autouse=True)
def own_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose first version never saw the columns that matter; the second does."""
    folder = write_project(tmp_path_factory.mktemp("registry") / "shop", small_world())
    train(folder, exclude=[f.name for f in small_world().features if f.name.startswith(("orders", "customer_plan"))])
    train(folder)
    return folder


def train(folder: Path, exclude: list[str] | None = None, **training: object) -> dict:
    settings = quick_settings(("logistic_regression",), **training).training.model_dump(mode="json")
    document = {"training": settings, "features": {"exclude": [n for n in exclude or [] if n != KEY]}}
    (folder / "retention.yml").write_text(json.dumps(document), encoding="utf-8")
    run = command_here(folder, "train", "--json")
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_the_first_version_is_champion_and_a_better_one_replaces_it(shop: Path) -> None:
    query = (
        "select decision_number, version, previous_version, decision from gold.gld_model_promotions order by 1 limit 2"
    )
    assert rows(shop, query) == [(1, 1, None, "promoted"), (2, 2, 1, "promoted")]
    ((low, compared, decided_at),) = rows(
        shop,
        "select difference_low, compared_rows, decided_at from gold.gld_model_promotions where version = 2 limit 1",
    )
    assert low > 0 and compared > 100 and decided_at is not None
    assert load_champion(Project.open(shop)).version == 2


def test_commands_list_roll_back_and_promote(shop: Path) -> None:
    listed = json.loads(command_here(shop, "models", "list", "--json").stdout)["versions"]
    assert [(v["version"], v["aliases"]) for v in listed[:2]] == [(1, []), (2, ["champion"])]
    assert "champion" in command_here(shop, "models", "list").stdout

    back = command_here(shop, "models", "rollback", "--reason", "a drill", variables={"RETENTION_USER": "anna"})
    assert back.returncode == 0, back.stderr
    assert load_champion(Project.open(shop)).version == 1
    last = rows(shop, "select version, previous_version, decision, reason, decided_by from gold.gld_model_promotions "
                      "order by decision_number desc limit 1")  # fmt: skip
    assert last == [(1, 2, "rolled back", "a drill", "anna")]
    assert command_here(shop, "models", "rollback").returncode == 2, "there is none before the first"

    up = command_here(shop, "models", "promote", "2", "--json")
    assert up.returncode == 0, up.stderr
    assert json.loads(up.stdout)["figures"]["difference"] > 0
    down = command_here(shop, "models", "promote", "1")
    assert down.returncode == 3
    assert "does not replace version 2" in down.stderr and "Traceback" not in down.stderr
    assert load_champion(Project.open(shop)).version == 2
    assert ModelRegistry.of(Project.open(shop)).aliases() == {"champion": 2}, "an old version challenges nobody"
    assert command_here(shop, "models", "promote", "1", "--force").returncode == 2, "force needs a reason"
    assert command_here(shop, "models", "promote", "1", "--force", "--reason", "why not").returncode == 0
    assert load_champion(Project.open(shop)).version == 1
    assert command_here(shop, "models", "promote", "7").returncode == 2
    assert "already" in command_here(shop, "models", "promote", "1").stdout
    assert command_here(shop, "models", "rollback").returncode == 0
    assert load_champion(Project.open(shop)).version == 2


def test_a_version_that_is_no_better_is_the_challenger_and_the_same_training_is_reused(shop: Path) -> None:
    metrics = train(shop, seed=1)
    assert metrics["registration"]["decision"] == "refused"
    assert (metrics["registration"]["version"], metrics["registration"]["champion"]) == (3, 2)
    assert ModelRegistry.of(Project.open(shop)).aliases()["challenger"] == 3
    again = train(shop, seed=1)
    assert again["registration"]["decision"] == "reused"
    assert again["champion"] == metrics["champion"]
    assert len(ModelRegistry.of(Project.open(shop)).versions()) == 3
    # The reports are of another run now, so they are made again; still, nothing is registered.
    (shop / "reports" / "drivers.parquet").unlink()
    with duckdb.connect(str(shop / "warehouse.duckdb")) as connection:
        connection.execute("drop table gold.gld_leakage_findings")
    third = train(shop, seed=1)
    assert {**third, "registration": None} == {**again, "registration": None}
    assert len(ModelRegistry.of(Project.open(shop)).versions()) == 3
    assert rows(shop, "select count(*) > 0 from gold.gld_leakage_findings") == [(True,)]


def test_without_versions_the_commands_say_what_to_do(tmp_path: Path) -> None:
    folder = write_project(tmp_path / "shop", small_world())
    for words in (("list",), ("promote", "1"), ("rollback",)):
        outcome = command_here(folder, "models", *words)
        assert outcome.returncode == 2
        assert "retention train" in outcome.stderr
    assert not (folder / "mlflow.db").exists()


def test_a_champion_whose_files_are_gone_makes_way(shop: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(shop, tmp_path / "moved"))
    registry = ModelRegistry.of(Project.open(folder))
    registry.give("champion", 3)
    written = registry.files(registry.find(3)).folder  # the store remembers the folder before the move
    shutil.rmtree(folder / written.relative_to(shop))
    away = written.rename(tmp_path / "away")
    try:
        metrics = train(folder, seed=1)
    finally:
        away.rename(written)
    assert metrics["champion"]["version"] == 4, "a version without files is not reused"
    assert "cannot be opened" in metrics["registration"]["reason"]
    assert load_champion(Project.open(folder)).version == 4


def test_a_model_of_other_libraries_makes_way(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(content: bytes) -> None:
        raise AttributeError("no attribute '_loss'")

    registry = ModelRegistry.of(Project.open(shop))
    open_files.cache_clear()
    monkeypatch.setattr("python_ml.model.registry.pickle.loads", gone)
    with pytest.raises(UserError, match="libraries that are installed here: no attribute '_loss'"):
        load_champion(Project.open(shop))
    decision, champion = promotions.judge(registry, 1, training_set(), Settings())
    assert decision.promoted and champion == 2
    assert "cannot be opened" in decision.reason


@pytest.mark.parametrize("interrupted", ["before the alias", "before the row", "before the decision"])
def test_a_promotion_that_was_killed_is_completed_by_the_next_run(
    interrupted: str, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(shop, tmp_path / "shop"))
    project = Project.open(folder)
    registry = ModelRegistry.of(project)
    registry.give("champion", 1)
    registry.client.delete_model_version_tag(registry.name, "2", "retention.decision")
    registry.client.delete_model_version_tag(registry.name, "2", "retention.previous_champion")
    decided = rows(folder, "select max(decision_number) from gold.gld_model_promotions")[0][0]
    data = read_training_set(project)

    def killed(*arguments: object) -> None:
        raise KeyboardInterrupt

    def decisions_are_killed(self: ModelRegistry, number: int, tags: dict[str, str]) -> None:
        if "retention.decision" in tags:
            raise KeyboardInterrupt
        tag(self, number, tags)

    tag = ModelRegistry.tag
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        if interrupted == "before the alias":
            patched.setattr(ModelRegistry, "give", killed)
        elif interrupted == "before the row":
            patched.setattr(promotions, "_keep", killed)
        else:
            patched.setattr(ModelRegistry, "tag", decisions_are_killed)
        _settle(project, Console(True), data, 2, True)
    standing = _settle(project, Console(True), data, 2, True)
    assert (standing["champion"], standing["decision"]) == (2, "promoted")
    assert registry.find(2).previous == 1
    last = "select version, previous_version, decision from gold.gld_model_promotions where decision_number > {}"
    assert (2, 1, "promoted") in rows(folder, last.format(decided))
    assert _settle(project, Console(True), data, 2, True)["decision"] == "reused"


def test_a_replaced_version_that_is_trained_again_is_compared_again(shop: Path, tmp_path: Path) -> None:
    project = Project.open(Path(shutil.copytree(shop, tmp_path / "shop")))
    registry = ModelRegistry.of(project)
    data = read_training_set(project)
    registry.tag(1, {"retention.decision": "promoted"})
    standing = _settle(project, Console(True), data, 1, True)
    assert (standing["champion"], standing["decision"]) == (2, "refused")
    again = _settle(project, Console(True), data, 1, True)
    assert again["decision"] == "reused", "and then it is settled"


def test_who_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETENTION_USER", "ci")
    assert promotions.deciding_user() == "ci"
    monkeypatch.delenv("RETENTION_USER")
    monkeypatch.setenv("LOGNAME", "bea")
    assert promotions.deciding_user() == "bea"


def test_the_table_is_described_in_every_project(repository: Path) -> None:
    own = (repository / "models" / "gold" / "_gold__promotions.yml").read_text()
    templates = repository / "python_ml" / "generate" / "templates" / "gold"
    assert own == (templates / "_gold__promotions.yml").read_text()
    (table,) = yaml.safe_load(own)["sources"][0]["tables"]
    types = {"varchar": "string", "integer": "int"}
    described = {column["name"]: column["data_type"] for column in table["columns"]}
    assert described == {name: types.get(kind, kind) for name, kind in promotions.COLUMNS.items()}
    assert all(column["description"] for column in table["columns"])


# MLflow and the card -------------------------------------------------------------------------------------------


def test_mlflow_opens_the_champion_without_this_package_and_takes_raw_rows(shop: Path) -> None:
    script = (
        "import sys, json\n"
        "sys.modules['python_ml'] = None\n"
        "import duckdb, mlflow\n"
        "mlflow.set_tracking_uri('sqlite:///mlflow.db')\n"
        "frame = duckdb.connect('warehouse.duckdb', read_only=True).sql('select * from gold.gld_scoring_set').df()\n"
        "frame['nobody_knows_me'] = 'x'\n"
        "model = mlflow.pyfunc.load_model('models:/shop_churn@champion')\n"
        "shown = model.predict(frame.sample(frac=1, random_state=0).sort_index())\n"
        "assert shown.shape == (len(frame), 2)\n"
        "try:\n    model.predict(frame.drop(columns='noise_0'))\n"
        "except Exception as error:\n    assert 'noise_0' in str(error)\n"
        "print(json.dumps(shown[:, 1].tolist()))\n"
    )
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", script], cwd=shop, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    with duckdb.connect(str(shop / "warehouse.duckdb"), read_only=True) as connection:
        frame = connection.sql("select * from gold.gld_scoring_set").df()
    from python_ml.model.score import score

    ours = score(frame, load_champion(Project.open(shop)), KEY)["churn_probability"]
    np.testing.assert_allclose(json.loads(run.stdout), ours, rtol=1e-9)


def test_run_model_and_version_are_described_and_tied_to_the_rows(shop: Path) -> None:
    registry = ModelRegistry.of(Project.open(shop))
    version = registry.client.get_model_version(registry.name, "2")
    assert "## Performance" in version.description and len(version.description) <= 5_000
    assert "probability that a customer churns" in registry.client.get_registered_model(registry.name).description
    run = registry.client.get_run(version.run_id)
    assert run.data.tags["mlflow.note.content"] == version.description
    logged = registry.client.get_logged_model(version.source.removeprefix("models:/"))
    assert logged.tags["mlflow.note.content"] == version.description
    (dataset,) = run.inputs.dataset_inputs
    assert [model.model_id for model in run.inputs.model_inputs] == [logged.model_id]
    assert {metric.dataset_digest for metric in logged.metrics if metric.key == "test.roc_auc"} == {
        dataset.dataset.digest
    }
    files = {item.path for item in registry.client.list_artifacts(version.run_id)}
    assert {"model_card.html", "model_card.md"} <= files


def test_the_card_says_what_a_reader_must_know(shop: Path) -> None:
    text = (shop / "reports" / "model_card.md").read_text(encoding="utf-8")
    for title in ("Standing", "Performance", "Calibration", "Outcome", "Data", "Drivers", "Leakage", "Fairness",
                  "Limits", "How to load"):  # fmt: skip
        assert f"## {title}\n" in text
    metrics = json.loads((shop / "reports" / "metrics.json").read_text(encoding="utf-8"))
    assert f"{metrics['test']['roc_auc']['value']:.3f}" in text
    assert metrics["dataset"]["sha256"] in text
    page = (shop / "reports" / "model_card.html").read_text(encoding="utf-8")
    assert "Content-Security-Policy" in page and "<script" not in page


def test_the_report_says_why_the_scores_are_of_another_version() -> None:
    inputs = synthetic_inputs()
    inputs.scores["model_version"] = 2
    refused = {"version": 3, "champion": 2, "reason": "it is <b>no</b> better"}
    inputs.metrics["registration"] = refused
    page = render_report(replace(inputs, pages=frozenset({"model_card"})))
    assert "which did not replace the champion: it is &lt;b&gt;no&lt;/b&gt; better" in page
    assert "performance, comparison, drivers and survival of version 3, the newest training" in page
    assert page.index("which did not replace") < page.index("ROC AUC"), "before any figure"
    assert 'href="model_card.html"' in page
    inputs.metrics["registration"] = {**refused, "champion": 3}
    assert "Run retention score to bring them together" in render_report(inputs)


def test_thresholds_are_judged_on_scores_of_the_champion_not_of_a_challenger(shop: Path, tmp_path: Path) -> None:
    project = Project.open(Path(shutil.copytree(shop, tmp_path / "shop")))
    champion = load_champion(project)
    metrics = json.loads((project.reports_dir / "metrics.json").read_text(encoding="utf-8"))
    metrics["champion"]["version"] = 99
    (project.reports_dir / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")
    judged = read_judged(project, KEY, champion)
    data = read_training_set(project).frame
    tested = data[data["feature_timestamp"] >= champion.card.fitted_on["before"]]
    both = tested.merge(judged[[KEY, "feature_timestamp", "split", "probability"]], on=[KEY, "feature_timestamp"])
    assert len(both) == len(tested) == len(judged)
    assert set(judged["split"]) == {"test"}
    expected = RegisteredModel.of(champion).predict_proba(both)[:, 1]
    np.testing.assert_allclose(both["probability"], expected, rtol=1e-9)


def test_what_is_measured_later_comes_onto_the_card(shop: Path, tmp_path: Path) -> None:
    project = Project.open(Path(shutil.copytree(shop, tmp_path / "shop")))
    version = json.loads((project.reports_dir / "metrics.json").read_text(encoding="utf-8"))["champion"]["version"]
    kinds = {"str": "x<y", "Int64": 10, "float64": 0.125}

    def one_row(types: dict[str, str], version: int, **values: object) -> pd.DataFrame:
        cells = {name: kinds.get(kind, "x<y") for name, kind in types.items()}
        return pd.DataFrame([{**cells, **values, "model_version": version}])

    fair = {"group": "all groups", "measure": "equalized_odds_difference"}
    write_table(project, FAIRNESS_TABLE, one_row(FAIRNESS, version + 1, **fair))
    backtest = {"version": version, "kind": "rolling_origin", "models": ["champion"], "origins": [{}, {}]}
    backtest["pooled"] = {"figures": {"champion": {"roc_auc": {"value": 0.777, "low": 0.7, "high": 0.8}}}}
    (project.reports_dir / "backtest.json").write_text(json.dumps(backtest), encoding="utf-8")
    assert update_model_card(project, {"champion": 1, "reason": "version 2 was rolled back"}) == ""
    text = (project.reports_dir / "model_card.md").read_text(encoding="utf-8")
    assert "Not measured" in text, "the table is of another version"
    assert "## Backtest" in text and "0.777" in text and "2 origins" in text
    assert "challenger of version 1" in text or version == 1
    assert "version 2 was rolled back" in text
    write_table(project, FAIRNESS_TABLE, one_row(FAIRNESS, version, **fair))
    assert update_model_card(project) == ""
    text = (project.reports_dir / "model_card.md").read_text(encoding="utf-8")
    assert "equalised odds | 0.125" in text and "x\\<y" in text
    registry = ModelRegistry.of(project)
    described = registry.client.get_model_version(registry.name, str(version)).description
    assert "version 2 was rolled back" in described
    shutil.rmtree(project.reports_dir)
    assert update_model_card(project) == "reports/ has no complete training"


def test_hostile_names_stay_text_on_the_card(shop: Path) -> None:
    from python_ml.report.model_card import CardPage, CardSection, description, render_html, render_markdown

    hostile = "<script>alert(1)</script> | `x` [y](z)\n# no title"
    section = CardSection("Facts", [("a", hostile)], ["b", "c"], [[hostile, "1"]], [hostile])
    card = CardPage("Model", "lead", (hostile,), (section,))
    assert "<script>" not in render_html(card, hostile)
    text = render_markdown(card)
    assert "<script>" not in text and "\n# no title" not in text
    (row,) = [line for line in text.splitlines() if line.startswith("| \\<script")]
    assert row.replace("\\|", "").count("|") == 3
    assert "my_column" in render_markdown(CardPage("my_column", "", (), ()))
    long = replace(card, sections=(section,) * 100)
    assert len(description(render_markdown(long))) <= 5_000
