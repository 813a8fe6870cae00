"""Quality gates: every kind of fault is caught with its figures, clean frames pass, and a reason overrules."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from python_ml.cli.train import command as train_command
from python_ml.dbt import Feature
from python_ml.errors import GateError, UserError
from python_ml.model.registry import load_champion
from python_ml.project import Project
from python_ml.quality import expectations
from python_ml.quality.checks import CRITICAL, WARNING, Outcome, Verdict
from python_ml.quality.facts import Facts, measure
from python_ml.quality.gate import enforce, judge_scoring, judge_training, registered_columns
from python_ml.quality.records import facts_of
from python_ml.quality.suites import Calendar, step_of
from python_ml.report.quality_page import render_page
from python_ml.settings import Settings, load_settings
from tests.python.churn_world import quick_settings, small_world, write_project
from tests.python.command_line import retention

ENTITY = "customer_id"
PER_TIME, TIMES, STEP = 200, 6, timedelta(days=30)
FIRST = datetime(2024, 1, 1)
CALENDAR = Calendar(observation_end=FIRST + TIMES * STEP, step=STEP)
HOSTILE = """o'brien "; drop table x; -- <script>alert(1)</script> {{ x }} $y %s ünï"""

FEATURES = [
    Feature(ENTITY, "key", "string"),
    Feature("feature_timestamp", "time", "timestamp"),
    Feature("orders_count_30d", "feature", "bigint", aggregate="count", window="30d"),
    Feature("orders_count_all_time", "feature", "bigint", aggregate="count", window="all_time"),
    Feature("orders_amount_mean_30d", "feature", "double", aggregate="mean", window="30d"),
    Feature("paid_share_30d", "feature", "double", aggregate="share", window="30d"),
    Feature("country", "feature", "string", aggregate="attribute"),
    Feature("opted_in", "feature", "boolean", aggregate="attribute"),
    Feature(HOSTILE, "feature", "double", aggregate="attribute"),
]
NAMES = [feature.name for feature in FEATURES if feature.role == "feature"]


def world(times: int, start: datetime = FIRST, seed: int = 0) -> pd.DataFrame:
    """Customers by feature times: counts since the beginning grow, a tenth of the amounts is empty."""
    rng = np.random.default_rng(seed)
    n = PER_TIME * times
    at = np.repeat(np.arange(times), PER_TIME)
    moments = pd.to_datetime([start + int(i) * STEP for i in range(times)]).astype("datetime64[us]")
    age = (start - FIRST) / STEP + at + 1
    return pd.DataFrame(
        {
            ENTITY: np.tile([f"c{i}" for i in range(PER_TIME)], times),
            "feature_timestamp": moments[at],
            "orders_count_30d": rng.poisson(3, n),
            "orders_count_all_time": rng.poisson(3 * age),
            "orders_amount_mean_30d": np.where(rng.random(n) < 0.1, np.nan, rng.gamma(4, 10, n)),
            "paid_share_30d": rng.random(n),
            "country": rng.choice(["de", "fr", "nl"], n),
            "opted_in": rng.random(n) < 0.5,
            HOSTILE: rng.normal(size=n),
        }
    )


def training_frame() -> pd.DataFrame:
    frame = world(TIMES)
    churned = np.arange(len(frame)) % 5 == 0
    return frame.assign(label_timestamp=frame["feature_timestamp"] + STEP, churned=churned.astype("int32"))


def scoring_frame() -> pd.DataFrame:
    return world(1, start=FIRST + TIMES * STEP, seed=1)


@cache
def facts() -> Facts:
    found = measure(training_frame(), registered_columns(FEATURES), FEATURES, ENTITY)
    return Facts.from_json(found.to_json())


def settings(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "retention.yml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path)


def train(frame: pd.DataFrame, given: Settings | None = None, **options: object) -> Verdict:
    options = {"calendar": CALENDAR, **options}
    return judge_training(frame, FEATURES, ENTITY, given or Settings(), **options)


def score(frame: pd.DataFrame, given: Settings | None = None, calendar: Calendar = CALENDAR) -> Verdict:
    return judge_scoring(frame, facts(), ENTITY, given or Settings(), calendar, model="lightgbm version 3")


def spoilt(frame: pd.DataFrame) -> pd.DataFrame:
    """Empty, negative, far and new values, some of them more than are allowed."""
    frame = frame.copy()
    frame.loc[frame.index[::3], "orders_amount_mean_30d"] = np.nan
    frame.loc[frame.index[::50], "orders_count_30d"] = -1
    frame.loc[frame.index[::40], HOSTILE] = 1e6
    frame.loc[frame.index[:2], "country"] = "xx"
    frame["opted_in"] = frame["opted_in"].astype("boolean").mask(frame.index % 7 == 0)
    frame["paid_share_30d"] = frame["paid_share_30d"].astype("Float64").mask(frame.index % 2 == 0)
    frame["orders_count_all_time"] = frame["orders_count_all_time"].astype("string")
    return frame


@pytest.mark.parametrize("change", [lambda frame: frame, spoilt, lambda frame: frame.iloc[:0]])
def test_what_is_evident_is_what_the_library_finds(monkeypatch: pytest.MonkeyPatch, change: Callable) -> None:
    def verdicts() -> list[dict]:
        return [train(change(training_frame())).to_dict(), score(change(scoring_frame())).to_dict()]

    counted = verdicts()
    asked, judged = [], expectations._judged
    monkeypatch.setattr(expectations, "_evident", lambda check, frame: None)
    monkeypatch.setattr(
        expectations, "_judged", lambda f, checks, name: asked.extend(checks) or judged(f, checks, name)
    )
    assert counted == verdicts()
    assert len(asked) > 20


def failures(verdict: Verdict) -> dict[str, str]:
    return {outcome.check.id: outcome.severity for outcome in verdict.failed}


def test_clean_frames_pass_and_every_kind_of_check_is_asked() -> None:
    learnt, scored = train(training_frame()), score(scoring_frame())
    assert failures(learnt) == {} and failures(scored) == {}
    enforce(learnt)
    enforce(scored)
    asked = {o.check.name for v in (learnt, scored) for o in v.outcomes}
    assert asked == {
        "columns", "key_present", "key_unique", "row_count", "freshness", "future",
        "type", "sign", "empty", "null_rate", "range", "categories",
    }  # fmt: skip
    assert all(outcome.success for v in (learnt, scored) for outcome in v.outcomes)


def test_what_a_frame_showed_is_measured() -> None:
    found = {column.name: column for column in facts().columns}
    frame = training_frame()
    assert (facts().rows, facts().times, facts().usual_rows) == (PER_TIME * TIMES, TIMES, PER_TIME)
    assert found["country"].categories == ["de", "fr", "nl"]
    by_time = frame.groupby("feature_timestamp")["orders_amount_mean_30d"].apply(lambda values: values.isna().mean())
    assert found["orders_amount_mean_30d"].missing_most == pytest.approx(by_time.max())
    assert found["orders_count_30d"].low == frame["orders_count_30d"].quantile(0.001)
    assert found["orders_count_all_time"].grows and not found["orders_count_30d"].grows


def spoilt(frame: pd.DataFrame, how: str) -> pd.DataFrame:
    """The frame with one fault."""
    n = len(frame)
    some = np.arange(n) % 5 == 0
    faults = {
        "missing column": lambda: frame.drop(columns="opted_in"),
        "duplicate key": lambda: pd.concat([frame, frame.head(3)], ignore_index=True),
        "empty key": lambda: frame.assign(**{ENTITY: frame[ENTITY].mask(np.arange(n) == 0)}),
        "text for a number": lambda: frame.assign(orders_count_30d=frame["orders_count_30d"].astype(str)),
        "number for a category": lambda: frame.assign(country=np.arange(n)),
        "text for a flag": lambda: frame.assign(opted_in=np.where(frame["opted_in"], "yes", "no")),
        "some odd types": lambda: frame.assign(country=frame["country"].where(~some, 7)),
        "negative count": lambda: frame.assign(orders_count_30d=frame["orders_count_30d"].where(np.arange(n) > 0, -1)),
        "share above one": lambda: frame.assign(paid_share_30d=frame["paid_share_30d"].where(np.arange(n) > 0, 1.5)),
        "nobody has a value": lambda: frame.assign(orders_amount_mean_30d=np.nan),
        "too few rows": lambda: frame.tail(20),
        "few rows": lambda: frame.iloc[: int(PER_TIME * 0.4)],
        "hardly any rows": lambda: frame.iloc[: int(PER_TIME * 0.08)],
        "loaded four times": lambda: pd.concat([frame.assign(**{ENTITY: frame[ENTITY] + s}) for s in "wxyz"]),
        "cents for euros": lambda: frame.assign(orders_amount_mean_30d=frame["orders_amount_mean_30d"] * 100),
        "some out of range": lambda: frame.assign(**{HOSTILE: frame[HOSTILE].mask(some, 1e6)}),
        "infinite": lambda: frame.assign(**{HOSTILE: frame[HOSTILE].mask(some, np.inf)}),
        "new category": lambda: frame.assign(country=frame["country"].mask(some, "be")),
        "other spelling": lambda: frame.assign(country=frame["country"].str.upper()),
        "more empty values": lambda: frame.assign(country=frame["country"].mask(some)),
        "empty column": lambda: frame.assign(paid_share_30d=np.nan),
        "old rows": lambda: frame.assign(feature_timestamp=frame["feature_timestamp"] - 4 * STEP),
        "time to come": lambda: frame.assign(feature_timestamp=frame["feature_timestamp"] + STEP),
        "label to come": lambda: frame.assign(label_timestamp=frame["label_timestamp"] + STEP),
        "labels stopped": lambda: frame[frame["feature_timestamp"] < FIRST + 3 * STEP],
    }
    return faults[how]()


STRUCTURE = {
    "missing column": ("columns", "`opted_in`"),
    "duplicate key": ("key_unique", "rows"),
    "empty key": ("key_present", ENTITY),
    "text for a number": ("type orders_count_30d", "another type"),
    "number for a category": ("type country", "int64"),
    "text for a flag": ("type opted_in", "another type"),
    "some odd types": ("type country", "20\u00a0%"),
}
OF_TRAINING = {
    **{how: (*expected, CRITICAL) for how, expected in STRUCTURE.items()},
    "negative count": ("sign orders_count_30d", "-1", CRITICAL),
    "share above one": ("sign paid_share_30d", "1.5", CRITICAL),
    "nobody has a value": ("empty orders_amount_mean_30d", "100\u00a0%", WARNING),
    "too few rows": ("row_count", "20 rows", CRITICAL),
    "label to come": ("future label_timestamp", "2024-07-29", CRITICAL),
    "labels stopped": ("freshness label_timestamp", "2024-03-31", WARNING),
}
OF_SCORING = {
    **{how: (*expected, CRITICAL) for how, expected in STRUCTURE.items()},
    "few rows": ("row_count", "80 rows", WARNING),
    "hardly any rows": ("row_count", "16 rows", CRITICAL),
    "loaded four times": ("row_count", "800 rows", WARNING),
    "cents for euros": ("range orders_amount_mean_30d", "lie outside", CRITICAL),
    "some out of range": (f"range {HOSTILE}", "40 of 200 values", WARNING),
    "infinite": (f"range {HOSTILE}", "40 of 200 values", WARNING),
    "new category": ("categories country", "be", WARNING),
    "other spelling": ("categories country", "DE", CRITICAL),
    "more empty values": ("null_rate country", "20\u00a0%", WARNING),
    "empty column": ("null_rate paid_share_30d", "200 of 200", CRITICAL),
    "old rows": ("freshness feature_timestamp", "2024-03-01", CRITICAL),
    "time to come": ("future feature_timestamp", "2024-07-29", CRITICAL),
}


@pytest.mark.parametrize("how", OF_TRAINING)
def test_a_fault_of_the_training_set_is_caught(how: str) -> None:
    _caught(train(spoilt(training_frame(), how)), *OF_TRAINING[how])


def test_labels_that_wait_for_late_rows_are_not_stale() -> None:
    waiting = spoilt(training_frame(), "labels stopped")
    assert "freshness label_timestamp" in failures(train(waiting))
    calendar = replace(CALENDAR, maturity_lag=4 * STEP)
    assert "freshness label_timestamp" not in failures(train(waiting, calendar=calendar))


@pytest.mark.parametrize("how", OF_SCORING)
def test_a_fault_of_the_scoring_set_is_caught(how: str) -> None:
    _caught(score(spoilt(scoring_frame(), how)), *OF_SCORING[how])


def _caught(verdict: Verdict, check: str, figure: str, severity: str) -> None:
    found = failures(verdict)
    assert found == {check: severity}, verdict.failed
    outcome = verdict.failed[0]
    assert figure in outcome.sentence and outcome.check.expectation in outcome.sentence and outcome.check.hint
    if severity == WARNING:
        enforce(verdict)
        assert any(figure in text for text in verdict.warnings())
        return
    with pytest.raises(GateError) as error:
        enforce(verdict)
    assert error.value.exit_code == 3
    for part in (figure, outcome.check.expectation, verdict.suite, outcome.check.hint):
        assert part in str(error.value)


def test_a_column_that_cannot_be_asked_is_said_and_not_taken_for_good() -> None:
    verdict = score(spoilt(scoring_frame(), "text for a number"))
    unasked = {outcome.check.id for outcome in verdict.outcomes if outcome.success is None}
    assert "range orders_count_30d" in unasked and "range orders_count_all_time" not in unasked


def test_the_newest_feature_time_is_compared_with_those_before() -> None:
    frame = training_frame()
    newest = frame["feature_timestamp"] == frame["feature_timestamp"].max()
    verdict = train(frame.assign(country=frame["country"].mask(newest)))
    assert failures(verdict) == {"null_rate country": WARNING}
    assert "at the newest feature time" in verdict.failed[0].sentence


def test_what_grows_with_time_has_room_to_grow() -> None:
    late = world(1, start=FIRST + (2 * TIMES) * STEP, seed=2)
    assert failures(score(late, calendar=Calendar())) == {}
    assert failures(score(late.assign(orders_count_30d=late["orders_count_all_time"]), calendar=Calendar())) == {
        "range orders_count_30d": CRITICAL
    }


def test_frames_of_pandas_own_types_are_judged_by_what_they_hold() -> None:
    frame = scoring_frame().convert_dtypes()
    frame["country"] = frame["country"].astype("category")
    frame.loc[:5, ["orders_count_30d", "opted_in"]] = pd.NA
    assert failures(score(frame)) == {}
    frame.loc[:99, "opted_in"] = pd.NA
    assert failures(score(frame)) == {"null_rate opted_in": WARNING}


def test_large_frames_are_sampled_but_for_keys_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("python_ml.quality.gate.MOST_ROWS", 100)
    verdict = score(scoring_frame())
    assert failures(verdict) == {} and "sample of 100 rows" in verdict.notes[0]
    assert failures(score(spoilt(scoring_frame(), "duplicate key"))) == {"key_unique": CRITICAL}
    assert failures(score(spoilt(scoring_frame(), "other spelling"))) == {"categories country": CRITICAL}
    assert next(o for o in verdict.outcomes if o.check.id == "row_count").observed == f"{PER_TIME} rows"


def test_half_of_a_real_table_passes_by_what_the_other_half_showed(shared_data: Path) -> None:
    frame = pd.read_csv(shared_data / "telco" / "Telco-Customer-Churn.csv").rename(columns={"customerID": ENTITY})
    frame = frame.drop(columns=["TotalCharges", "Churn"]).assign(feature_timestamp=pd.Timestamp("1970-01-01"))
    types = {"object": "string", "int64": "bigint", "float64": "double"}
    features = [
        Feature(name, "feature", types[str(frame[name].dtype)], aggregate="attribute")
        for name in frame
        if name not in (ENTITY, "feature_timestamp")
    ]
    frame = frame.sample(frac=1, random_state=0)
    known = measure(frame.iloc[::2], registered_columns(features), features, ENTITY, snapshot=True)
    verdict = judge_scoring(frame.iloc[1::2], known, ENTITY, Settings(), Calendar(), model="lightgbm version 1")
    assert failures(verdict) == {} and len(verdict.outcomes) > 50


def test_a_snapshot_has_no_calendar_and_is_compared_with_the_champions() -> None:
    frame = training_frame().iloc[:PER_TIME]
    frame = frame.assign(feature_timestamp=pd.Timestamp("1970-01-01"), label_timestamp=pd.Timestamp("1970-01-01"))
    before = measure(frame, registered_columns(FEATURES), FEATURES, ENTITY, snapshot=True)
    assert (before.last, before.usual_rows) == (None, None)
    assert failures(train(frame, snapshot=True, before=before)) == {}
    assert failures(train(spoilt(frame, "new category").head(90), snapshot=True, before=before)) == {
        "row_count": WARNING,
        "categories country": WARNING,
    }
    verdict = judge_scoring(frame, before, ENTITY, Settings(), CALENDAR, model="lightgbm version 1")
    assert failures(verdict) == {}


def test_a_model_without_facts_is_compared_with_nothing_and_says_so() -> None:
    verdict = judge_scoring(scoring_frame(), None, ENTITY, Settings(), CALENDAR, model="xgboost version 1")
    assert failures(verdict) == {} and "`retention train`" in verdict.notes[0]


def test_a_reason_overrules_by_name_and_is_repeated(tmp_path: Path) -> None:
    given = settings(tmp_path, "quality:\n  accept:\n    categories country: the shop writes them so now\n")
    verdict = score(spoilt(scoring_frame(), "other spelling"), given)
    enforce(verdict)
    assert failures(verdict) == {"categories country": CRITICAL}
    assert "accepted because: the shop writes them so now" in verdict.warnings()[0]
    assert Verdict.from_dict(json.loads(json.dumps(verdict.to_dict()))).failed[0].accepted is not None


def test_the_message_shows_how_to_overrule_whatever_a_column_is_called(tmp_path: Path) -> None:
    frame = scoring_frame()
    verdict = score(frame.assign(**{HOSTILE: 1e9}))
    with pytest.raises(GateError) as error:
        enforce(verdict)
    line = re.search(r"`(quality: .*)`$", str(error.value), re.M)[1]
    given = settings(tmp_path, line.replace("the reason", "it is so"))
    assert given.quality.accept == {f"range {HOSTILE}": "it is so"}
    enforce(score(frame.assign(**{HOSTILE: 1e9}), given))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("quality:\n  accept: {range county: x}\n", "range country"),
        ("quality:\n  accept: {key_unique: x}\n", "cannot be overruled"),
        ("quality:\n  accept: {nonsense: x}\n", "no quality check"),
        ("quality:\n  accept: {range country: ' '}\n", "say why"),
        ("quality:\n  null_jump: {warn: 0.6}\n", "stop must not be below warn"),
        ("quality:\n  null_jump: 0.6\n", "section"),
        ("quality:\n  null_jmp: {}\n", "null_jump"),
    ],
)
def test_mistakes_in_the_settings_are_explained(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        score(scoring_frame(), settings(tmp_path, text))
    assert "line 2" in str(error.value)


def test_thresholds_are_obeyed(tmp_path: Path) -> None:
    frame = spoilt(scoring_frame(), "new category")
    assert failures(score(frame, settings(tmp_path, "quality: {new_categories: {warn: 0.3}}"))) == {}
    assert failures(score(frame, settings(tmp_path, "quality: {new_categories: {stop: 0.1}}"))) == {
        "categories country": CRITICAL
    }
    assert settings(tmp_path, "quality:\n  new_categories:\n").quality == Settings().quality


@pytest.fixture(scope="module")
def trained_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a champion, as `retention train` leaves it."""
    folder = write_project(tmp_path_factory.mktemp("quality") / "my shop", small_world())
    quick = {"training": quick_settings(("logistic_regression",)).training.model_dump(mode="json")}
    (folder / "retention.yml").write_text(json.dumps(quick), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        run = CliRunner().invoke(train_command, ["--project-dir", str(folder)])
    assert run.exit_code == 0, run.output
    return folder


def test_the_champion_keeps_what_it_was_fitted_on(trained_project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    champion = load_champion(Project.open(trained_project))
    known = facts_of(champion)
    assert known.rows == champion.card.fitted_on["rows"] < len(small_world().frame)
    assert [column.name for column in known.columns] == [column.name for column in champion.card.columns]
    assert known.last == champion.card.fitted_on["to"]


def test_the_command_stops_with_three_until_a_reason_is_given(
    trained_project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("RETENTION_DUCKDB_PATH", raising=False)
    here = ("--project-dir", trained_project)
    code, out, _ = retention(monkeypatch, capsys, "quality", *here, "--json")
    assert code == 0 and json.loads(out)["scoring"]["critical"] == 0
    with duckdb.connect(str(trained_project / "warehouse.duckdb")) as connection:
        connection.execute("update gold.gld_scoring_set set customer_plan = upper(customer_plan)")
    for words in (("score",), ("quality", "--scoring")):
        code, out, told = retention(monkeypatch, capsys, *words, *here)
        assert (code, out) == (3, ""), told
        assert "`customer_plan`: 220 of 220 values" in told and "categories: expect_column_values_to_be_in_set" in told
        assert "Traceback" not in told and '"categories customer_plan": the reason' in told
    written = json.loads((trained_project / "reports" / "quality.json").read_text(encoding="utf-8"))
    assert written["scoring"]["passed"] is False and written["training"]["passed"] is True
    assert "the gate is closed" in (trained_project / "reports" / "quality.html").read_text(encoding="utf-8")
    given = json.loads((trained_project / "retention.yml").read_text(encoding="utf-8"))
    given["quality"] = {"accept": {"categories customer_plan": "renamed in May"}}
    (trained_project / "retention.yml").write_text(json.dumps(given), encoding="utf-8")
    code, out, told = retention(monkeypatch, capsys, "quality", "--scoring", *here)
    assert code == 0 and "1 accepted" in out and "accepted because: renamed in May" in told


def test_the_page_escapes_and_loads_nothing() -> None:
    verdicts = {"training": train(training_frame()), "scoring": score(scoring_frame().assign(**{HOSTILE: 1e9}))}
    page = render_page(verdicts, "<b>shop</b>")
    assert "<script" not in page and "<b>shop" not in page and "default-src 'none'" in page
    assert not re.search(r"(src|href)=\"(?!data:|#|index\.html)", page)
    assert "1 critical check failed" in page.replace("\n", " ")
    assert render_page({}, "shop").count("Not checked in this run") == 2


def test_the_library_is_imported_only_to_judge() -> None:
    code = (
        "import sys, python_ml.quality, python_ml.quality.gate, python_ml.report.quality_page, python_ml.cli.quality; "
    )
    code += "sys.exit('great_expectations' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_outcomes_and_steps_are_read_back() -> None:
    for outcome in train(training_frame()).outcomes:
        again = Outcome.from_dict(json.loads(json.dumps(outcome.to_dict())))
        assert (again.check.id, again.success, again.observed) == (outcome.check.id, outcome.success, outcome.observed)
    assert step_of("1 month") == timedelta(days=31) and step_of("36h") == timedelta(hours=36)
    assert step_of(None) is None and step_of("soon") is None


def test_clean_frames_are_judged_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(frame: pd.DataFrame, checks: list, name: str) -> dict:
        assert not checks, [check.id for check in checks]
        return {}

    monkeypatch.setattr(expectations, "_judged", refuse)
    enforce(train(training_frame()))
    enforce(score(scoring_frame()))
