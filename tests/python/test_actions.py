"""The action list: who is on it and why, the command, the table of dbt, the file and the report."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import duckdb
import numpy as np
import pandas as pd
import pytest
import yaml

from python_ml.cli.act import placeholder_text, summary
from python_ml.customer_value import expected_profit
from python_ml.decisions.action_list import BY_RISK, BY_UPLIFT, OFFER, TYPES, action_list, empty_actions
from python_ml.decisions.campaign import Campaign, action_table, read_campaign, recently_contacted
from python_ml.decisions.evidence import campaign_record
from python_ml.decisions.value import CustomerValue
from python_ml.errors import UserError
from python_ml.files import write_csv
from python_ml.handover import handed_over
from python_ml.settings import Decisions, Settings

NOW = pd.Timestamp("2025-06-01")
NO_HOLDOUT = {"holdout_share": 0.0, "max_contacts": None}


def scored(n: int = 200, seed: int = 0) -> pd.DataFrame:
    probability = np.random.default_rng(seed).beta(1.5, 6, n)
    return pd.DataFrame(
        {
            "customer_id": [f"C{k:03d}" for k in range(n)],
            "feature_timestamp": NOW,
            "churn_probability": probability,
            "risk_band": np.where(probability > 0.3, "high", "low"),
            "model_name": "lightgbm",
            "model_version": np.int32(3),
        }
    )


def reasons_of(scores: pd.DataFrame) -> pd.DataFrame:
    features = ("tickets_count_30d", "orders_days_since_last", "price_changes_count_90d")
    return pd.DataFrame(
        [
            (
                key,
                NOW,
                rank,
                features[(place + rank) % 3],
                0.5 if (place + rank) % 7 else -0.5,
                f"reason {rank} of {key}",
            )
            for place, key in enumerate(scores["customer_id"])
            for rank in (1, 2, 3)
        ],
        columns=["customer_id", "feature_timestamp", "reason_rank", "feature", "contribution", "reason"],
    )


def worth(scores: pd.DataFrame, value: float | np.ndarray = 300.0) -> CustomerValue:
    return CustomerValue(np.broadcast_to(np.asarray(value, dtype=float), len(scores)).copy(), "value from clv")


def listed(scores: pd.DataFrame, value: float | np.ndarray = 300.0, settings: dict | None = None, **options: object):
    decisions = Decisions.model_validate({"contact_cost": 1, "offer_cost": 10, "success_rate": 0.3} | (settings or {}))
    return action_list(scores, reasons_of(scores), worth(scores, value), decisions, "customer_id", **options)


# The list -------------------------------------------------------------------------------------------------


def test_everybody_is_on_the_list_or_counted() -> None:
    scores = scored()
    made = listed(scores, settings={"budget": 120.0}, contacted=["C001", "C002", "unknown"])
    table = made.table
    assert len(table) + sum(made.not_listed.values()) == len(scores)
    assert made.not_listed["recently contacted"] == 2
    assert not {"C001", "C002"} & set(table["customer_id"])
    assert table["priority"].tolist() == list(range(1, len(table) + 1))
    assert (table["expected_profit"] > 0).all()
    assert table.loc[~table["holdout_flag"], "expected_cost"].sum() <= 120.0
    assert table["customer_id"].is_unique
    assert set(table["expires_at"]) == {NOW + pd.Timedelta(days=30)}
    assert table.dtypes.astype(str).to_dict() == empty_actions("customer_id", scores).dtypes.astype(str).to_dict()


def test_risk_times_value_ranks_where_there_is_no_uplift_and_says_so() -> None:
    scores = scored()
    value = np.random.default_rng(1).gamma(2, 200, len(scores))
    table = listed(scores, value, NO_HOLDOUT).table
    assert set(table["ranked_by"]) == {BY_RISK}
    assert table["uplift"].isna().all()
    profit = expected_profit(scores["churn_probability"], 0.3 * scores["churn_probability"], value, 1, 10)
    expected = scores.assign(profit=profit).query("profit > 0").sort_values("profit", ascending=False)
    assert table["customer_id"].tolist() == expected["customer_id"].tolist()
    np.testing.assert_allclose(table["expected_profit"], expected["profit"])
    np.testing.assert_allclose(table["value_at_risk"], table["churn_probability"] * table["customer_value"])


def uplift_of(scores: pd.DataFrame) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    uplift = scores["churn_probability"].to_numpy() * rng.uniform(-0.6, 0.9, len(scores))
    return pd.DataFrame(
        {
            "customer_id": scores["customer_id"],
            "feature_timestamp": NOW,
            "uplift": uplift,
            "uplift_low": uplift - 0.02,
            "uplift_high": uplift + 0.02,
            "learner": "x",
            "response": np.where(uplift + 0.02 < 0, "harmed", np.where(uplift - 0.02 > 0, "helped", "no effect shown")),
        }
    )


def test_uplift_times_value_ranks_where_there_is_one() -> None:
    scores = scored()
    uplift = uplift_of(scores)
    made = listed(scores, settings=NO_HOLDOUT, uplift=uplift.iloc[1:])
    assert made.ranked_by == BY_UPLIFT
    assert made.not_listed["no uplift estimate"] == 1
    assert made.not_listed["harmed by the offer"] == (uplift["response"] == "harmed").iloc[1:].sum()
    effect = uplift.set_index("customer_id")["uplift"]
    np.testing.assert_allclose(made.table["uplift"], effect[made.table["customer_id"]])
    assert (made.table["uplift"] > 0).all()
    stale = listed(scores, uplift=uplift.assign(feature_timestamp=NOW - pd.Timedelta(days=30)))
    assert stale.ranked_by == BY_RISK, "estimates of another time are not used"


def test_estimates_that_contradict_the_risk_do_not_rank() -> None:
    """An offer cannot keep more customers than would churn."""
    scores = scored(400)
    risk = scores["churn_probability"]
    wild = uplift_of(scores).assign(
        uplift=0.4 * risk.mean(), uplift_low=0.3 * risk.mean(), uplift_high=0.5 * risk.mean()
    )
    made = listed(scores, settings=NO_HOLDOUT, uplift=wild)
    assert made.ranked_by == BY_RISK
    assert "whole risk or more" in made.notes[0]
    rate = (0.4 * risk.mean() * risk).sum() / (risk**2).sum()
    assert made.terms.success_rate == pytest.approx(rate)
    assert made.table["churn_probability"].is_monotonic_decreasing
    cut = wild.assign(uplift=np.minimum(wild["uplift"], 0.97 * risk.to_numpy()))
    assert listed(scores, settings=NO_HOLDOUT, uplift=cut).ranked_by == BY_RISK, "cut off at a risk, they say no more"
    few = uplift_of(scores)
    few.loc[:9, "uplift"] = 1.0
    made = listed(scores, settings=NO_HOLDOUT, uplift=few)
    assert made.ranked_by == BY_UPLIFT
    first = made.table["customer_id"].isin(few["customer_id"].iloc[:10])
    assert (made.table["expected_profit"] <= 300 * made.table["churn_probability"])[first].all()


def test_a_factor_on_the_odds_is_an_effect_on_the_risk() -> None:
    scores = scored(100)
    p = scores["churn_probability"]
    wild = uplift_of(scores).assign(uplift=0.2, uplift_low=0.1, uplift_high=0.3, odds_ratio=0.5)
    made = listed(scores, 2_000.0, NO_HOLDOUT, uplift=wild)
    assert made.ranked_by == BY_UPLIFT
    odds = 0.5 * p / (1 - p)
    np.testing.assert_allclose(made.effect, p - odds / (1 + odds))
    draws = np.stack([made.sampler(np.random.default_rng(seed)) for seed in range(400)])
    np.testing.assert_allclose(draws.std(axis=0) / made.effect, 0.5 / 1.96, rtol=0.25)
    partly = listed(scores, 2_000.0, NO_HOLDOUT, uplift=wild.assign(uplift=0.01, odds_ratio=np.nan))
    assert partly.effect == pytest.approx(np.minimum(0.01, p))


def test_the_order_of_rows_and_the_company_change_no_draw() -> None:
    scores = scored()
    settings = {"holdout_share": 0.3, "max_contacts": None}
    one, other = listed(scores, settings=settings), listed(scores.sample(frac=1, random_state=1), settings=settings)
    pd.testing.assert_frame_equal(one.table, other.table)
    held = set(one.table.query("holdout_flag")["customer_id"])
    half = listed(scores.iloc[::2], settings=settings).table
    assert set(half.query("holdout_flag")["customer_id"]) == held & set(scores["customer_id"].iloc[::2])
    assert 0.2 < len(held) / len(one.table) < 0.4
    later = listed(scores.assign(feature_timestamp=NOW + pd.Timedelta(days=30)), settings=settings).table
    assert set(later.query("holdout_flag")["customer_id"]) != held


def test_interventions_follow_the_reasons() -> None:
    scores = scored(40)
    settings = NO_HOLDOUT | {
        "interventions": {
            "service call": {"cost": 2.0, "success_rate": 0.5, "sources": ["tickets"]},
            "voucher": {"cost": 4.0, "features": ["orders_*"]},
        }
    }
    sources = {"tickets_count_30d": "tickets", "price_changes_count_90d": "price_changes"}
    made = listed(scores, 5_000.0, settings, sources=sources)
    reasons = reasons_of(scores)
    for row in made.table.to_dict("records"):
        own = reasons[(reasons["customer_id"] == row["customer_id"]) & (reasons["contribution"] > 0)]
        wanted = next(
            (
                "service call" if feature.startswith("tickets") else "voucher"
                for feature in own["feature"]
                if not feature.startswith("price")
            ),
            OFFER,
        )
        assert row["suggested_action"] == wanted
        cost, rate = {"service call": (2, 0.5), "voucher": (4, 0.3), OFFER: (10, 0.3)}[wanted]
        p = row["churn_probability"]
        assert row["expected_profit"] == pytest.approx(expected_profit(p, rate * p, 5_000.0, 1, cost))
    settings["interventions"]["letter"] = {"cost": 1.0}
    assert OFFER not in set(listed(scores, 5_000.0, settings, sources=sources).table["suggested_action"])


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_nobody_pays(value: float) -> None:
    scores = scored(30)
    made = listed(scores, value)
    assert made.table.empty
    assert made.not_listed == {"not profitable": 30}
    assert made.table.dtypes.astype(str).to_dict() == empty_actions("customer_id", scores).dtypes.astype(str).to_dict()


def test_keys_of_other_types_and_missing_reasons() -> None:
    scores = scored(30).assign(customer_id=np.arange(30))
    none = reasons_of(scored(30)).iloc[:0].assign(customer_id=pd.Series([], dtype="int64"))
    made = action_list(scores, none, worth(scores, 5_000.0), Decisions(), "customer_id")
    assert made.table["customer_id"].dtype == "int64"
    assert made.table["reason_1"].isna().all()


# Reading --------------------------------------------------------------------------------------------------


def suppressing(**suppression: str) -> Settings:
    return Settings.model_validate({"decisions": {"suppression": suppression}})


CONTACTS = {"source": "bronze.contacts", "event_at": "sent at", "available_at": "known_at", "window": "30d"}


def test_only_contacts_that_were_known_in_time_count() -> None:
    rows = {
        "just in": ("2025-05-02 00:00:00", "2025-05-02"),
        "too old": ("2025-05-01 23:59:59", "2025-05-02"),
        "yesterday": ("2025-05-31", "2025-05-31"),
        "at T": ("2025-06-01", "2025-06-01"),
        "known late": ("2025-05-31", "2025-06-01"),
        "planned": ("2025-06-03", "2025-05-20"),
        "holdout": ("2025-05-20", "2025-05-20"),
    }
    with duckdb.connect() as connection:
        connection.execute(
            "create schema bronze; create table bronze.contacts "
            '("client id" text, "sent at" text, known_at timestamp, arm text)'
        )
        connection.executemany(
            "insert into bronze.contacts values (?, ?, ?, ?)",
            [(key, sent, known, "holdout" if key == "holdout" else "offer") for key, (sent, known) in rows.items()],
        )
        found = recently_contacted(connection, NOW, "client id", suppressing(**CONTACTS, where="arm = 'offer'"))
        assert found == {"just in", "yesterday"}
        assert recently_contacted(connection, NOW, "client id", Settings()) == set()
        with pytest.raises(UserError, match="no column sent_at"):
            recently_contacted(connection, NOW, "client id", suppressing(**CONTACTS | {"event_at": "sent_at"}))
        with pytest.raises(UserError, match=r"bronze\.calls does not exist"):
            recently_contacted(connection, NOW, "client id", suppressing(**CONTACTS | {"source": "bronze.calls"}))


def card() -> SimpleNamespace:
    columns = [SimpleNamespace(name="tickets_count_30d", source="tickets")]
    return SimpleNamespace(base_rate=0.2, label={"horizon": "30d"}, columns=columns)


def campaign_of(session: object, scores: pd.DataFrame, settings: Settings | None = None) -> Campaign:
    features = (
        scores[["customer_id", "feature_timestamp"]].assign(subscription_price=300.0).sample(frac=1, random_state=0)
    )
    return read_campaign(
        session,
        features,
        scores,
        reasons_of(scores),
        card=card(),
        settings=settings or Settings(),
        entity="customer_id",
    )


def test_survival_and_uplift_are_used_where_they_exist() -> None:
    scores = scored(50)
    with duckdb.connect() as connection:
        without = campaign_of(connection, scores)
        assert without.survival is None
        assert without.uplift is None
        assert without.actions().ranked_by == BY_RISK
        connection.execute("create schema gold")
        lives = scores[["customer_id", "feature_timestamp"]].assign(expected_remaining_days=np.arange(50) * 7.0)
        uplift = uplift_of(scores)
        for name, table in (("gld_survival_estimates", lives), ("gld_uplift_estimates", uplift)):
            connection.register("incoming", table)
            connection.execute(f"create table gold.{name} as select * from incoming")
        made = campaign_of(connection, scores)
        np.testing.assert_allclose(made.value().value, 3.0 * np.arange(50) * 7)
        assert made.actions().ranked_by == BY_UPLIFT
        connection.execute("update gold.gld_survival_estimates set feature_timestamp = timestamp '2020-01-01'")
        assert campaign_of(connection, scores).survival is None, "another time's estimates are not used"
        with pytest.raises(UserError, match="not those of the newest features"):
            read_campaign(
                connection,
                scores.iloc[1:],
                scores,
                reasons_of(scores),
                card=card(),
                settings=Settings(),
                entity="customer_id",
            )


def judged(seed: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    parts = []
    for split, months in (("validation", 2), ("test", 3)):
        keys = np.repeat([f"C{k:03d}" for k in range(300)], months)
        probability = rng.beta(1.2, 5, len(keys))
        parts.append(
            pd.DataFrame(
                {
                    "split": split,
                    "customer_id": keys,
                    "feature_timestamp": NOW - pd.DateOffset(months=6),
                    "churned": (rng.random(len(keys)) < probability).astype(int),
                    "probability": probability,
                    "subscription_price": 300.0,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def test_the_threshold_is_chosen_on_validation_rows_and_measured_on_test_rows() -> None:
    rows = judged()
    with duckdb.connect() as connection:
        campaign = campaign_of(connection, scored())
    value, actions = campaign.value(), campaign.actions()
    record = campaign_record(campaign, value, actions, rows, replicates=100)
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    thresholds = record["thresholds"]
    assert thresholds["per"] == 900
    changed = rows.copy()
    tested = changed["split"] == "test"
    changed.loc[tested, "churned"] = 1 - changed.loc[tested, "churned"]
    again = campaign_record(campaign, value, actions, changed, replicates=100)["thresholds"]
    assert again["chosen"] == thresholds["chosen"], "test outcomes choose nothing"
    assert again["profit"] != thresholds["profit"]
    named = thresholds["rows"]
    assert named["Most profit"]["profit"] == pytest.approx(thresholds["profit"]["value"])
    assert thresholds["profit"]["low"] < thresholds["profit"]["value"] < thresholds["profit"]["high"]
    assert named["Most profit"]["profit"] > max(named["Everyone"]["profit"], named["50 %"]["profit"])
    assert thresholds["capacity"]["share"] == pytest.approx(0.1)
    assert 1 < thresholds["capacity"]["lift"] <= 10
    assert thresholds["empc"]["value"] > 0
    assert max(profit for _, profit in thresholds["curve"]) >= thresholds["profit"]["value"]
    assert campaign_record(campaign, value, actions, None, replicates=10)["thresholds"] is None


def test_placeholders_are_named_as_such() -> None:
    scores = scored()
    with duckdb.connect() as connection:
        record = campaign_record(
            (made := campaign_of(connection, scores)), made.value(), made.actions(), None, replicates=10
        )
        assert record["placeholders"] == ["contact_cost", "offer_cost", "success_rate"]
        own = Settings.model_validate({"decisions": {"contact_cost": 1, "offer_cost": 8, "success_rate": 0.2}})
        made = campaign_of(connection, scores, own)
        assert campaign_record(made, made.value(), made.actions(), None, replicates=10)["placeholders"] == []
    assert "placeholders, not your figures: contact cost" in placeholder_text(record["placeholders"])
    text = summary(record, Path("reports/actions.csv"))
    assert "ranked by risk x value" in text
    assert "not on the list" in text


# The file, the table and the report -----------------------------------------------------------------------


def test_cells_of_the_file_are_no_formulas(tmp_path: Path) -> None:
    scores = scored(12)
    table = listed(scores, 5_000.0, NO_HOLDOUT).table.rename(columns={"customer_id": "=key"})
    nasty = ["=1+1", "+1", "-1", "@sum", "\t=1", "\r=1", "plain", 'quo"te,\n', "", "-2.5 e", "é", "\ud800"]
    table["=key"] = pd.array(nasty, dtype=object)
    write_csv(tmp_path / "actions.csv", table)
    with (tmp_path / "actions.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    assert not [cell for line in lines for cell in line if cell.startswith(("=", "+", "@", "\t", "\r"))]
    assert [line[0] for line in lines[1:]] == [*(f"'{text}" for text in nasty[:6]), *nasty[6:9], "'-2.5 e", "é", "?"]
    assert lines[0][0] == "'=key"
    assert float(lines[1][list(table.columns).index("churn_probability")]) == table["churn_probability"].iloc[0]


def test_the_table_is_handed_over_to_dbt(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = scored(20)
    table = listed(scores, 5_000.0).table
    with handed_over({"actions": table}) as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        taken = action_table(None, scores, scores, reasons_of(scores), "customer_id")
    assert taken.to_pandas()["customer_id"].tolist() == table["customer_id"].tolist()


def test_without_scores_the_table_is_empty_and_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dbt_project.yml").write_text("name: shop\n")
    monkeypatch.setenv("RETENTION_PROJECT_DIR", str(tmp_path))
    scores = scored(3).iloc[:0].astype({"customer_id": "string"})
    table = action_table(None, scores, scores, reasons_of(scores), "customer_id")
    with duckdb.connect() as connection:
        connection.register("incoming", table)
        kinds = {name: kind for name, kind, *_ in connection.execute("describe incoming").fetchall()}
    assert list(kinds)[:2] == ["customer_id", "feature_timestamp"]
    assert kinds["customer_id"] == kinds["reason_1"] == "VARCHAR"
    assert kinds["holdout_flag"] == "BOOLEAN"
    assert kinds["expires_at"] == "TIMESTAMP"


def test_the_columns_are_described_in_every_project(repository: Path) -> None:
    own = yaml.safe_load((repository / "models/gold/_gold__actions.yml").read_text())
    described = [column["name"] for column in own["models"][1]["columns"]]
    assert sorted(described) == sorted(["customer_id", "feature_timestamp", *TYPES])


def test_the_report_shows_the_list() -> None:
    from python_ml.report import render_report
    from tests.python.report_world import Page, synthetic_inputs

    inputs = replace(synthetic_inputs(200), actions=None, campaign=None)
    assert "Run retention act" in Page(render_report(inputs)).text
    scores = scored()
    with duckdb.connect() as connection:
        campaign = campaign_of(connection, scores)
    actions = campaign.actions()
    record = campaign_record(campaign, campaign.value(), actions, judged(), replicates=50)
    hostile = actions.table.head(25).assign(suggested_action="<b>call</b>", reason_1="<script>x</script>")
    page = render_report(replace(inputs, actions=hostile, campaign=record))
    text = Page(page).text
    assert "Placeholders, not your figures" in text
    assert "Ranked by risk, not by effect" in text
    assert "Return on cost" in text
    assert "&lt;b&gt;call&lt;/b&gt;" in page
    assert "<script>" not in page
    assert "Run retention act" in text, "the list is of another time than the scores"
    for name in ("profit-plot", "budget-plot"):
        assert name in page
    nobody = campaign_record(campaign, campaign.value(), listed(scores, 1.0), None, replicates=10)
    assert (
        "No customer to contact" in Page(render_report(replace(inputs, actions=hostile.iloc[:0], campaign=nobody))).text
    )


# The command ----------------------------------------------------------------------------------------------


def test_the_command_needs_a_champion_and_its_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import nullcontext

    from python_ml import dbt
    from python_ml.cli.act import act
    from python_ml.cli.options import Console
    from python_ml.model import registry
    from python_ml.project import Project
    from tests.python.churn_world import small_world, write_project

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(dbt, "dbt_process", lambda project, parse: nullcontext())
    project = Project.open(write_project(tmp_path / "shop", small_world()))
    with pytest.raises(UserError, match="no champion"):
        act(project, Console())
    monkeypatch.setattr(registry, "load_champion", lambda project: SimpleNamespace(version=4))
    scores = scored(5)
    for table, says in ((scores, "another model"), (scores.iloc[:0], "no scores yet")):
        with duckdb.connect(str(project.warehouse_path)) as connection:
            connection.register("scores", table)
            connection.register("reasons", reasons_of(scores))
            connection.execute("create or replace table gold.gld_churn_scores as select * from scores")
            connection.execute("create or replace table gold.gld_churn_reasons as select * from reasons")
        with pytest.raises(UserError, match=says) as caught:
            act(project, Console())
        assert "retention score" in caught.value.hint
    assert not (project.root / "reports").exists()
