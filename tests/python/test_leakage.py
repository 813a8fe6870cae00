"""Leakage: every planted leak is found, clean data raise no alarm, and the gate says what it does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from python_ml.errors import GateError
from python_ml.leakage import CRITICAL, HIGH, PROBES, Finding, probe_training_set
from python_ml.leakage._statistics import odds
from python_ml.model.leakage_gate import check_leakage
from python_ml.model.leakage_table import COLUMNS
from python_ml.model.replay_evidence import StoredReplay, store_replays, stored_replays
from python_ml.project import Project
from python_ml.replay import Replay
from python_ml.settings import Settings
from python_ml.stats import auc
from tests.canaries import graded, planting, worlds
from tests.python.churn_world import small_world, write_project
from tests.python.command_line import command_here

SEED = 3


@pytest.fixture(scope="module")
def contract() -> worlds.Clean:
    return worlds.contractual(1_200, 15, SEED)


@pytest.fixture(scope="module")
def shop() -> worlds.Clean:
    return worlds.shop(1_200, 15, SEED)


@pytest.fixture(scope="module")
def undated() -> worlds.Clean:
    return worlds.undated(3_000, SEED)


def criticals(clean: worlds.Clean) -> list[str]:
    """What the probes refuse in a clean training set."""
    return [finding.sentence for finding in planting.criticals(planting.Planted(clean, ()))]


# Canaries


@pytest.mark.parametrize("name", planting.DATED)
def test_a_planted_leak_is_found_where_rows_have_times(name, contract):
    findings = planting.criticals(planted := planting.DATED[name](contract, np.random.default_rng(SEED)))
    assert {finding.name for finding in findings} >= set(planted.expected)
    honest = {feature.name for feature in contract.features} - set(planted.expected)
    assert not {finding.name for finding in findings} & honest


@pytest.mark.parametrize("name", planting.UNDATED)
def test_a_planted_leak_is_found_in_a_table_without_dates(name, undated):
    findings = planting.criticals(planted := planting.UNDATED[name](undated, np.random.default_rng(SEED)))
    assert {finding.name for finding in findings} >= set(planted.expected)


@pytest.mark.parametrize("name", ["window_of_the_future", "frozen_counter", "sudden_knowledge", "zero_for_leavers"])
def test_a_leak_is_told_from_honest_recency_in_a_shop(name, shop):
    """Where leaving means to buy nothing, honest columns are strong; leaks are found beside them all the same."""
    findings = planting.criticals(planted := planting.DATED[name](shop, np.random.default_rng(SEED)))
    assert {finding.name for finding in findings} == set(planted.expected)


def test_clean_worlds_raise_nothing_critical(contract, shop, undated):
    assert criticals(contract) == criticals(shop) == criticals(undated) == []
    findings = probe_training_set(shop.frame, shop.features, shop.entity, dated=True)
    recency = next(f for f in findings if f.name == "orders_days_since_last" and "auc" in f.evidence)
    assert recency.evidence["auc"] > 0.85  # strong, honest, and not refused


def test_recency_of_an_ever_busier_shop_is_not_refused_above_the_limit(shop):
    """The same strength in a column that nothing visible explains is refused."""
    gone = shop.frame["orders_days_since_last"] > 45
    clear = shop.frame.assign(
        churned=np.where(np.random.default_rng(1).random(len(gone)) < 0.03, ~gone, gone).astype(int)
    )
    frame = clear.assign(health=-shop.frame["orders_days_since_last"].rank(pct=True))
    assert criticals(worlds.Clean("busy", clear, shop.features)) == []
    undated = worlds.Clean("undated", frame, worlds.registry(frame), dated=False)
    assert any("`health`" in sentence for sentence in criticals(undated))


@pytest.mark.parametrize("make", worlds.REAL.values(), ids=list(worlds.REAL))
def test_real_data_without_their_traps_raise_nothing_critical(make, shared_data):
    try:
        clean = make(shared_data)
    except FileNotFoundError as missing:
        pytest.skip(f"{missing.filename} is not among the real data sets")
    assert criticals(clean) == []


def test_mail_of_retail_retention_is_critical_and_without_it_the_gate_opens(shared_data):
    if not (shared_data / "retail_retention").is_dir():
        pytest.skip("retail_retention is not among the real data sets")
    clean = worlds.retail(shared_data, with_mail=True)
    check = check_leakage(clean.frame, clean.features, clean.entity, Settings(), dated=False)
    assert {finding.name for finding in check.refused} == {"esent", "eopenrate", "eclickrate"}
    with pytest.raises(GateError, match="`esent`") as refused:
        check.enforce()
    assert refused.value.exit_code == 3
    without = Settings.model_validate({"features": {"exclude": ["esent", "eopenrate", "eclickrate"]}})
    opened = check_leakage(clean.frame, clean.features, clean.entity, without, dated=False)
    opened.enforce()
    assert [opened.decision(f) for f in opened.findings if f.name == "esent"] == ["excluded"] * 2


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_outcomes_leave_nothing(seed, contract):
    churned = np.random.default_rng(seed).permutation(contract.frame["churned"])
    shuffled = worlds.Clean("shuffled", contract.frame.assign(churned=churned), contract.features)
    findings = probe_training_set(shuffled.frame, shuffled.features, shuffled.entity, dated=True)
    assert not [f.sentence for f in findings if f.severity in (CRITICAL, HIGH)]
    aucs = [f.evidence["auc"] for f in findings if f.probe == "single_feature_auc"]
    assert max(aucs) < 0.57
    assert abs(np.mean(aucs) - 0.5) < 0.03


def test_supplied_labels_without_a_time_of_their_own_are_no_leak(contract):
    """Their label time is the feature time: the least that is certain."""
    frame = contract.frame.assign(label_timestamp=contract.frame["feature_timestamp"])
    assert criticals(worlds.Clean("supplied", frame, contract.features)) == []


# Leaks by strength


def severities(clean: worlds.Clean, share: float, noise: float) -> dict[str, str]:
    table, leaks, _ = graded.planted(clean, share, noise, SEED)
    by_kind, others = graded.verdicts(table, leaks)
    assert not [finding.sentence for finding in others]
    return by_kind


def test_leaks_with_noise_are_found_where_rows_have_times(contract):
    by_kind = severities(contract, 0.5, 0.005)
    for kind in ("emptiness", "category", "small_counts", "overwritten", "centred_window", "next_month"):
        assert by_kind[kind] == CRITICAL, kind


def test_leaks_with_noise_are_found_in_a_table_without_dates(undated):
    by_kind = severities(undated, 0.5, 0.005)
    assert {by_kind[kind] for kind in ("emptiness", "category", "small_counts", "leave_one_out")} == {CRITICAL}
    assert severities(undated, 1.0, 0.02)["rounded_mean"] == CRITICAL


def test_what_statistics_cannot_tell_is_not_claimed(undated):
    """A tenth of the churned customers and a fifth of the others: less than honest columns reach."""
    assert CRITICAL not in severities(undated, 0.1, 0.2).values()


def test_attributes_that_are_strong_sudden_and_known_in_advance_are_not_refused():
    assert criticals(worlds.terms(1_500, 15, SEED)) == criticals(worlds.terms(3_000, 12, SEED, dated=False)) == []


@pytest.mark.parametrize("make", [worlds.clicks, worlds.one_purchase])
def test_lasting_differences_and_windows_that_run_empty_are_no_leaks(make):
    assert criticals(make(1_500, SEED)) == []


def replayed(clean: worlds.Clean, *differing: str) -> list[Finding]:
    replay = StoredReplay("2023-09-01", 900, differing=dict.fromkeys(differing, 3))
    return planting.criticals(planting.Planted(clean, (), replays=[replay]))


def test_honest_usage_is_refused_no_more_once_a_replay_has_rebuilt_it():
    usage = worlds.usage(2_000, SEED)
    findings = probe_training_set(usage.frame, usage.features, usage.entity, dated=True)
    assert max(f.evidence["auc"] for f in findings if "auc" in f.evidence) > 0.95
    assert replayed(usage) == []
    assert {f.name for f in replayed(usage, "orders_count_30d")} == {"orders_count_30d"}
    check = check_leakage(usage.frame, usage.features, usage.entity, Settings(), dated=True)
    with pytest.raises(GateError) as refused:
        check.enforce()
    assert "retention replay" in refused.value.hint


@pytest.mark.parametrize("case", ["01-honest-usage-blocked-as-leak", "02-crash-repeated-values-of-one-class"])
def test_log_ins_of_few_people_are_not_refused(case, shared_data):
    folder = shared_data.parent / "cases" / case
    if not folder.is_dir():
        pytest.skip(f"{case} is not among the shared cases")
    assert replayed(worlds.log_ins(folder)) == []


def test_the_odds_ratio_agrees_with_the_table_and_its_bound_holds():
    marked, churned = (
        np.repeat([True, True, False, False], [40, 10, 60, 890]),
        np.repeat([1.0, 0, 1, 0], [40, 10, 60, 890]),
    )
    result = odds(marked, churned)
    assert result.ratio == pytest.approx(41 * 891 / (11 * 61))
    strata = np.arange(1000) % 2
    assert odds(marked, churned, strata=strata).ratio == pytest.approx(result.ratio, rel=0.1)
    assert odds(marked, churned, np.arange(1000) // 5).error > result.error  # five equal rows are one witness

    exceeded = 0
    for seed in range(400):  # a true ratio of 10, few rows of each kind
        rng = np.random.default_rng(seed)
        y = (rng.random(400) < 0.15).astype(float)
        exceeded += odds(rng.random(400) < np.where(y == 1, 0.3, 0.0411), y).low(0.05) > 10
    assert exceeded / 400 < 0.08


# Figures


def test_the_area_agrees_with_scikit_learn_and_its_interval_covers():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    y = (rng.random(500) < 0.3).astype(float)
    scores = np.round(rng.normal(size=500) + y, 1)
    assert auc(scores, y).value == pytest.approx(roc_auc_score(y, scores))
    strata = rng.integers(0, 4, 500)
    pairs = [(s, (y[strata == s] == 1).sum() * (y[strata == s] == 0).sum()) for s in range(4)]
    expected = sum(n * roc_auc_score(y[strata == s], scores[strata == s]) for s, n in pairs) / sum(n for _, n in pairs)
    assert auc(scores, y, strata=strata).value == pytest.approx(expected)

    covered = 0
    for seed in range(300):  # ten rows of each customer, alike: rows are no independent witnesses
        rng = np.random.default_rng(seed)
        churned = (rng.random(120) < 0.4).astype(float)
        result = auc(np.repeat(rng.normal(size=120), 10), np.repeat(churned, 10), np.repeat(np.arange(120), 10))
        covered += result.low <= 0.5 <= result.high
    assert 0.90 <= covered / 300 <= 0.985


def test_large_tables_are_looked_at_by_customer(monkeypatch, contract):
    from python_ml.leakage import _context

    monkeypatch.setattr(_context, "MOST_ROWS", 3_000)
    context = _context.ProbeContext.of(contract.frame, contract.features, contract.entity, dated=True)
    assert len(context.churned) <= 3_000 < context.rows
    kept = contract.frame.groupby(contract.entity).size().value_counts()
    assert set(np.bincount(context.entities)) <= set(kept.index)


# The command and the table


def project_with_leak(folder: Path, settings: dict | None = None) -> Path:
    world = small_world()
    rng = np.random.default_rng(0)
    churned = world.frame["churned"].to_numpy() == 1
    mails = np.where(churned & (rng.random(len(churned)) < 0.7), 0.0, 1.0 + rng.poisson(9, len(churned)))
    clean = planting.with_columns(worlds.Clean("small", world.frame, world.features), {"mails": mails})
    write_project(folder, type(world)(clean.frame, clean.features, world.oracle))
    (folder / "retention.yml").write_text(yaml.safe_dump(settings or {}))
    return folder


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    ended = command_here(folder.parent, *arguments, "--project-dir", str(folder))
    return ended.returncode, ended.stdout, ended.stderr


def stored(folder: Path) -> pd.DataFrame:
    import duckdb

    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute("select * from gold.gld_leakage_findings").df()


def test_the_command_refuses_keeps_and_accepts(tmp_path):
    folder = project_with_leak(tmp_path / "shop")
    code, out, err = run(folder, "leakage")
    assert code == 3
    assert "critical (refused)" in out
    assert "`mails`" in err
    assert "exclude: [mails]" in err
    assert "Traceback" not in err
    first = stored(folder)
    assert list(first.columns) == list(COLUMNS)
    assert set(first[first["decision"] == "refused"]["feature"]) == {"mails"}
    assert set(first["probe"]) <= set(PROBES)
    assert json.loads(first["evidence"].iloc[0])
    assert first[first["probe"] == "single_feature_auc"]["feature"].nunique() > 10  # every feature can be asked about

    run(folder, "leakage")
    assert len(stored(folder)) == len(first)  # the same data and decisions: nothing new

    (folder / "retention.yml").write_text("leakage: {accept: {mails: counted on the first of the month}}")
    code, out, _ = run(folder, "leakage", "--json")
    result = json.loads(out)
    assert code == 0
    assert result["accepted"] == {"mails": "counted on the first of the month"}
    decisions = stored(folder)
    assert set(decisions[(decisions["feature"] == "mails") & (decisions["severity"] == "critical")]["decision"]) == {
        "refused",
        "accepted",
    }
    assert "counted on the first of the month" in set(decisions["accepted_because"])


def test_mistakes_in_the_settings_are_explained(tmp_path):
    folder = project_with_leak(tmp_path / "shop", {"leakage": {"accept": {"mals": "why"}}})
    code, _, err = run(folder, "leakage")
    assert code == 2
    assert "did you mean `mails`" in err


def test_the_help_teaches():
    from python_ml.cli import retention

    result = CliRunner().invoke(retention, ["leakage", "--help"])
    assert result.exit_code == 0
    for text in ("accept:", "exclude:", "gold.gld_leakage_findings", "Exit codes"):
        assert text in result.output


def test_a_replay_speaks_for_as_long_as_the_features_stand(tmp_path):
    import duckdb

    folder = write_project(tmp_path / "shop", small_world())
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute(
            "create table gold.gld_customer_features as select * exclude (churned, label_timestamp) "
            "from gold.gld_training_set"
        )
    project = Project.open(folder)
    times = sorted(small_world().frame["feature_timestamp"].unique())
    store_replays(
        project,
        [
            Replay(pd.Timestamp(times[0]).to_pydatetime(), 10, 3, 0, 0, {"orders_count_7d": 4}),
            Replay(pd.Timestamp(times[1]).to_pydatetime(), 10, 3, 0, 0),
        ],
    )
    differing, same = stored_replays(project)
    assert differing.differing == {"orders_count_7d": 4}
    assert same.identical
    code, out, _ = run(folder, "leakage")
    assert code == 3
    assert "4 of 10 rows have other values" in out
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute(
            "update gold.gld_customer_features set orders_count_7d = orders_count_7d + 1 "
            "where feature_timestamp = (select min(feature_timestamp) from gold.gld_customer_features)"
        )
    assert [replay.identical for replay in stored_replays(project)] == [True]


def test_the_table_is_described_in_every_project(repository):
    own = (repository / "models" / "gold" / "_gold__findings.yml").read_text()
    assert own == (repository / "python_ml" / "generate" / "templates" / "gold" / "_gold__findings.yml").read_text()
    tables = {table["name"]: table for table in yaml.safe_load(own)["sources"][0]["tables"]}
    assert [column["name"] for column in tables["gld_leakage_findings"]["columns"]] == list(COLUMNS)


def test_the_report_lists_findings_with_decision_and_reason():
    from python_ml.report import render_report
    from tests.python.report_world import synthetic_inputs

    inputs = synthetic_inputs()
    inputs.metrics["leakage"] = {
        "rows": 900,
        "looked_at": 900,
        "columns": [],
        "excluded": [],
        "findings": [
            {
                "sentence": "`<b>x</b>`: knows",
                "severity": "critical",
                "decision": "accepted",
                "accepted_because": "we asked",
            },
            {"sentence": "`mails`: knows", "severity": "critical", "decision": "excluded"},
        ],
    }
    page = render_report(inputs)
    assert "Critical findings stop the training" in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert "we asked" in page
    assert "excluded</td>" in page
