"""The dashboard: what it reads, what it must not know, how it is packed, and the page in a browser with real clicks."""

from __future__ import annotations

import base64
import csv
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from python_ml.cli.dashboard import command
from python_ml.files import write_csv
from python_ml.project import DATELESS, Project
from python_ml.report import dashboard_data
from python_ml.report.columnar import KINDS, coded, packed, shown_digits
from python_ml.report.dashboard import write_dashboard
from python_ml.report.dashboard_data import NEVER, details, population, read_dashboard
from tests.python.browser import CHROMIUM, Tab, browser
from tests.python.report_world import HOSTILE, Page

ENTITY = 'Customer "ID" {no}, it\'s </script>'
PLAN = 'plan\'; drop "x" </script>'
NOW, BEFORE, LATER = (pd.Timestamp(f"2025-0{month}-01") for month in (3, 2, 4))
ODD_KEYS = (
    "=1+1", "-5", "@sum", "+7", "\tTab", "</script><script>window.hacked=1</script>", '"q", comma', "line\nbreak",
    "\u202eright", "日本", "<img src=x onerror=window.hacked=1>", "#%&?",
)  # fmt: skip
CUSTOMERS = 60
LEAK = 0.987654


def tables() -> dict[str, pd.DataFrame]:
    """Gold tables of a small, hostile world; whatever has ``LEAK`` in it is of a later time than the scores."""
    rng = np.random.default_rng(5)
    keys = [*ODD_KEYS, *(f"C{number:03d}" for number in range(CUSTOMERS - len(ODD_KEYS)))]
    chance = np.round(rng.uniform(0.01, 0.6, CUSTOMERS), 6)
    base = pd.DataFrame({ENTITY: keys, "feature_timestamp": NOW})
    scores = base.assign(
        churn_probability=chance,
        risk_band=np.select([chance > 0.4, chance > 0.2], ["high", "medium"], "low"),
        model_name="lightgbm",
        model_version=2,
    )
    old = scores.assign(feature_timestamp=BEFORE, model_version=1, churn_probability=chance / 2).iloc[:50]
    later = scores.assign(feature_timestamp=LATER, churn_probability=LEAK)
    history = pd.concat([old, scores, later]).assign(
        campaign_arm=[None, "contacted", "held out", *([None] * (50 + 2 * CUSTOMERS - 3))]
    )
    features = pd.concat(
        [
            base.assign(feature_timestamp=moment).assign(
                orders_count_30d=np.arange(CUSTOMERS) + shift,
                orders_days_since_last=np.where(np.arange(CUSTOMERS) % 7 == 0, np.nan, 3.5),
                **{PLAN: np.where(np.arange(CUSTOMERS) % 3 == 0, HOSTILE, "basic")},
            )
            for moment, shift in ((BEFORE, 0), (NOW, 100), (LATER, 987654))
        ]
    )
    reasons = base.loc[base.index.repeat(2)].assign(
        reason_rank=np.tile([1, 2], CUSTOMERS), reason=np.tile([f"=Orders: {HOSTILE}", "Few orders."], CUSTOMERS)
    )
    actions = base.iloc[:10].assign(
        suggested_action=["call", "@offer"] * 5,
        priority=np.arange(10, 0, -1),
        customer_value=np.nan,
        value_at_risk=np.arange(10) * 1.5,
        uplift=np.nan,
        expected_profit=2000.25,
        holdout_flag=np.arange(10) == 3,
        expires_at=pd.Timestamp("2025-04-30"),
        model_version=2,
    )
    return {
        "gold.gld_churn_scores": pd.concat([scores, old]),
        "gold.gld_score_history": history,
        "gold.gld_customer_features": features,
        "gold.gld_scoring_set": features[features["feature_timestamp"] == NOW],
        "gold.gld_churn_reasons": reasons,
        "gold.gld_retention_actions": actions,
    }


def make(folder: Path, frames: dict[str, pd.DataFrame]) -> Project:
    """A project's folder with a warehouse."""
    (folder / "reports").mkdir(parents=True)
    config = {"name": "shop </script>", "vars": {"entity": ENTITY, "horizon": "30d", "churn_definition": "inactivity"}}
    (folder / "dbt_project.yml").write_text(json.dumps(config), encoding="utf-8")
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute("create schema gold")
        for name, frame in frames.items():
            connection.register("frame", frame.reset_index(drop=True))
            connection.execute(f"create table {name} as select * from frame")
    return Project.open(folder)


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RETENTION_DUCKDB_PATH", "MLFLOW_TRACKING_URI", "RETENTION_PROJECT_DIR"):
        monkeypatch.delenv(name, raising=False)


def unpacked(text: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    whole = gzip.decompress(base64.b64decode(text))
    length = int.from_bytes(whole[:4], "little")
    document = json.loads(whole[4 : 4 + length])
    kinds = {script: kind for kind, script in KINDS.items()}
    arrays = {
        name: np.frombuffer(whole, f"<{kinds[kind]}", size, 4 + length + offset)
        for name, (kind, offset, size) in document.pop("arrays").items()
    }
    return document, arrays


# How columns are packed -------------------------------------------------------------------------------------------


def test_what_is_packed_comes_out_again() -> None:
    arrays = {
        "a": np.array([1, 255], np.uint8), "b": np.array([[1, 2], [3, 65535]], np.uint16),
        "c": np.array([], np.uint32), "d": np.array([0.5, np.nan], np.float32),
    }  # fmt: skip
    text = packed({"names": [HOSTILE, "é"]}, arrays)
    document, read = unpacked(text)
    assert document == {"names": [HOSTILE, "é"]}
    for name, values in arrays.items():
        np.testing.assert_array_equal(read[name], values.ravel())
    assert packed({"names": [HOSTILE, "é"]}, arrays) == text


def test_codes_number_the_commonest_first() -> None:
    codes, texts = coded(pd.Series(["b", None, "a", "b", "c", "c"]))
    assert texts == ["b", "c", "a"]
    assert codes.tolist() == [1, 0, 3, 1, 2, 2]
    assert coded(pd.Series([None, None], dtype="string"))[1] == []


@given(st.lists(st.floats(-1e12, 1e12) | st.integers(-1000, 1000).map(float) | st.just(float("nan")), min_size=1))
def test_digits_that_are_shown_are_kept(values: list[float]) -> None:
    given_, kept = np.array(values), shown_digits(np.array(values)).astype(float)
    known = ~np.isnan(given_)
    assert (np.isnan(kept) == ~known).all()
    np.testing.assert_allclose(
        kept[known], np.where(np.abs(given_) >= 1000, np.rint(given_), given_)[known], rtol=1e-4, atol=1e-30
    )
    whole = known & (given_ == np.rint(given_)) & (np.abs(given_) <= 2**24)
    assert (kept[whole] == given_[whole]).all()


# What is read -----------------------------------------------------------------------------------------------------


def test_the_rows_are_those_of_the_newest_scoring(tmp_path: Path, clean: None) -> None:
    frames = tables()
    data = read_dashboard(make(tmp_path / "shop", frames))
    scores = frames["gold.gld_churn_scores"].query("feature_timestamp == @NOW").sort_values(
        ["churn_probability"], ascending=False
    )  # fmt: skip
    assert data.keys == scores[ENTITY].tolist()
    np.testing.assert_array_equal(data.probability, scores["churn_probability"])
    assert (data.as_of, data.version, data.remarks) == (NOW, 2, [])
    document, arrays = population(data)
    columns = {column["name"]: column for column in document["columns"]}
    band = columns["risk_band"]
    assert band["values"] == ["high", "medium", "low"]
    assert [band["values"][code - 1] for code in arrays["risk_band"]] == scores["risk_band"].tolist()
    place = data.keys.index(ODD_KEYS[3])
    assert columns["campaign"]["values"][arrays["campaign"][place] - 1] == "hold out"
    assert np.isfinite(arrays["priority"]).sum() == 10
    assert "uplift" not in columns
    assert [column["label"] for column in document["columns"] if column.get("segment")] == [PLAN]
    assert arrays["key_order"].tolist() == sorted(range(CUSTOMERS), key=data.keys.__getitem__)
    known = [key in set(frames["gold.gld_score_history"].iloc[:50][ENTITY]) for key in data.keys]
    np.testing.assert_allclose(data.change[known], data.probability[known] / 2, atol=1e-4)
    assert np.isnan(data.change[~np.array(known)]).all()


def test_nothing_of_a_later_time_is_known(tmp_path: Path, clean: None) -> None:
    data = read_dashboard(make(tmp_path / "shop", tables()))
    assert [(one.time, one.version) for one in data.scorings] == [(BEFORE, 1), (NOW, 2)]
    assert data.features.times == [BEFORE, NOW]
    document, arrays = details(data)
    assert round(LEAK * 10_000) not in data.history
    counts = next(
        arrays[f"feature {place}"]
        for place, column in enumerate(data.features.columns)
        if column.name == "orders_count_30d"
    )
    assert counts.max() == 100 + CUSTOMERS - 1
    assert (data.history[0] == NEVER).sum() == CUSTOMERS - 50
    assert sorted(data.arms[0].tolist())[-3:] == [0, 1, 2]
    assert document["ranks"] == 2


def test_a_table_that_is_missing_is_named_with_its_command(tmp_path: Path, clean: None) -> None:
    frames = tables()
    said = {
        "gold.gld_score_history": "`retention score` adds to gold.gld_score_history",
        "gold.gld_churn_reasons": "no reasons for these scores. Run `retention score`",
        "gold.gld_retention_actions": "no action list for these scores. Run `retention act`",
        "gold.gld_customer_features": None,
        "gold.gld_scoring_set": None,
    }
    for number, (missing, expected) in enumerate(said.items()):
        left = {name: frame for name, frame in frames.items() if name != missing}
        project = make(tmp_path / f"shop{number}", left)
        remarks = read_dashboard(project).remarks
        assert (expected is None and not remarks) or expected in " ".join(remarks)
        write_dashboard(project)
    empty = make(tmp_path / "empty", {})
    page = Page(write_dashboard(empty).read_text(encoding="utf-8"))
    assert "Run `retention score`" in page.text
    assert "retention train" in page.text


def test_what_is_out_of_date_is_said_and_left_out(tmp_path: Path, clean: None) -> None:
    frames = tables()
    frames["gold.gld_retention_actions"] = frames["gold.gld_retention_actions"].assign(model_version=1)
    frames["gold.gld_scoring_set"] = frames["gold.gld_customer_features"].query("feature_timestamp == @LATER")
    data = read_dashboard(make(tmp_path / "shop", frames))
    assert "Run `retention act`" in data.remarks[1]
    assert data.remarks[0].startswith("Features as of 1\u00a0April\u00a02025 are not scored yet.")
    assert [column["name"] for column in population(data)[0]["columns"]] == [
        "churn_probability", "churn_probability_change", "risk_band", "segment 0",
    ]  # fmt: skip
    assert data.segments[PLAN].notna().all()


def test_many_scorings_are_thinned_from_the_newest_back(monkeypatch: pytest.MonkeyPatch) -> None:
    times = pd.date_range("2024-01-01", periods=100)
    scorings = [dashboard_data.PastScoring(time, 1, "lightgbm") for time in times]
    assert dashboard_data._thinned(scorings, 10) == scorings
    monkeypatch.setattr(dashboard_data, "MOST_SCORES", 250)
    kept = dashboard_data._thinned(scorings, 10)
    assert len(kept) == 25
    assert [one.time for one in kept[-2:]] == [times[92], times[96]]


def test_the_command_writes_the_same_page_twice(tmp_path: Path, clean: None) -> None:
    project = make(tmp_path / "shop", tables())
    written = []
    for _ in range(2):
        result = CliRunner().invoke(command, ["--project-dir", str(project.root), "--counterfactuals", "0", "--json"])
        assert result.exit_code == 0, result.output
        written.append(Path(json.loads(result.stdout)["report"]).read_bytes())
    assert written[0] == written[1]
    html = written[0].decode()
    assert "window.hacked" not in html
    assert html.count("<script") == 3
    assert "script-src 'sha256-" in html and "connect-src" not in html and "default-src 'none'" in html


def one_customer_without_dates(folder: Path) -> Path:
    """A project with one row, a number as its key, and no time of its own."""
    constant = pd.Timestamp("2000-01-01")
    row = pd.DataFrame({"id": [7], "feature_timestamp": [constant]})
    scores = row.assign(churn_probability=0.25, risk_band="low", model_name="ensemble", model_version=1)
    project = make(folder, {"gold.gld_churn_scores": scores, "gold.gld_scoring_set": row.assign(age=41.5, member=True)})
    config = {"name": "shop", "vars": {"entity": "id", "scenario": sorted(DATELESS)[0]}}
    (project.root / "dbt_project.yml").write_text(json.dumps(config), encoding="utf-8")
    return write_dashboard(Project.open(project.root))


# In a browser -----------------------------------------------------------------------------------------------------

READY = "document.documentElement?.dataset.ready"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Tab, Path]]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    folder = tmp_path_factory.mktemp("dashboard")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("RETENTION_DUCKDB_PATH", "MLFLOW_TRACKING_URI", "RETENTION_PROJECT_DIR"):
            patch.delenv(name, raising=False)
        path = write_dashboard(make(folder / "shop", tables()))
    with browser(folder / "browser") as tab:
        tab.resize(1280)
        yield tab, path


def keys_shown(tab: Tab) -> list[str]:
    return tab.run("[...document.querySelectorAll('#rows tbody th')].map(one => one.textContent)")


def test_a_customer_is_found_by_typing_and_opened_with_enter(opened: tuple[Tab, Path]) -> None:
    tab, path = opened
    tab.open(path, READY)
    scores = tables()["gold.gld_churn_scores"].query("feature_timestamp == @NOW").set_index(ENTITY)["churn_probability"]
    tab.press("/")
    tab.type("c00")
    assert tab.run("document.querySelector('#search').getAttribute('aria-expanded')") == "true"
    expected = scores[scores.index.str.startswith("C00")].sort_values(ascending=False)
    listed = tab.run("[...document.querySelectorAll('#matches li bdi')].map(one => one.textContent)")
    assert listed == expected.index.tolist()
    tab.press("ArrowDown")
    tab.press("ArrowDown")
    tab.press("ArrowUp")
    tab.press("Enter")
    tab.wait_for("!document.querySelector('#customer').hidden")
    assert tab.text("#customer-key") == expected.index[1]
    assert f"{expected.iloc[1]:.1%}".replace("%", "\u00a0%") in tab.text("#customer")
    assert tab.run("document.querySelector('#matches').hidden")
    assert tab.run("document.querySelectorAll('#over-time circle').length") >= 1
    assert "Not on the action list" in tab.text("#customer")
    assert "retention dashboard" in tab.text("#customer")
    tab.click("#close-customer")
    assert tab.run("document.querySelector('#customer').hidden")
    assert tab.run("document.activeElement.id") == "search"


def test_a_hostile_key_is_text_and_its_address_can_be_kept(opened: tuple[Tab, Path]) -> None:
    tab, path = opened
    tab.open(path, READY)
    for key in ODD_KEYS[5], ODD_KEYS[10], ODD_KEYS[11]:
        tab.click("#search")
        tab.run("document.querySelector('#search').select()")
        tab.type(key)
        tab.press("Enter")
        tab.wait_for(f"document.querySelector('#customer-key')?.innerText === {json.dumps(key)}")
    assert "Values" in tab.text("#over-time")
    tab.run("history.back()")
    tab.wait_for(f"document.querySelector('#customer-key')?.innerText === {json.dumps(ODD_KEYS[10])}")
    fragment = tab.run("location.hash")
    tab.open(path, READY, fragment)
    tab.wait_for(f"document.querySelector('#customer-key')?.innerText === {json.dumps(ODD_KEYS[10])}")
    assert tab.run("window.hacked") is None
    assert "version 1" in tab.text("#over-time") and "version 2" in tab.text("#over-time")
    assert "Orders" in tab.text("#recent") or "orders" in tab.text("#recent")
    assert tab.run("document.documentElement.scrollWidth") <= 1280
    assert (tab.complaints, {address.partition("#")[0] for address in tab.requests}) == ([], {path.as_uri()})


def test_an_action_is_shown_with_its_arm(opened: tuple[Tab, Path]) -> None:
    tab, path = opened
    for place, said in ((0, "call"), (3, "held out at random")):
        tab.open(path, READY)
        tab.click("#search")
        tab.type(ODD_KEYS[place])
        tab.press("Enter")
        tab.wait_for(f"document.querySelector('#customer-key')?.innerText === {json.dumps(ODD_KEYS[place])}")
        assert said in tab.text("#customer .facts")


def test_rows_are_sorted_filtered_paged_and_downloaded(opened: tuple[Tab, Path], tmp_path: Path) -> None:
    tab, path = opened
    tab.open(path, READY)
    frames = tables()
    scores = frames["gold.gld_churn_scores"].query("feature_timestamp == @NOW").set_index(ENTITY)
    by_risk = scores.sort_values("churn_probability", ascending=False)
    plain = str.maketrans(dict.fromkeys("\t\n\u202e", " "))
    assert keys_shown(tab) == [key.translate(plain) for key in by_risk.index[:25]]
    tab.click("#next-page")
    tab.click("#next-page")
    assert keys_shown(tab) == [key.translate(plain) for key in by_risk.index[50:]]
    assert tab.text("#page-text") == "51 to 60 of 60"
    assert tab.run("document.querySelector('#next-page').disabled")
    tab.click('[data-sort="key"]')
    assert keys_shown(tab) == [key.translate(plain) for key in sorted(scores.index)[:25]]
    assert tab.run("document.querySelector('#rows th').getAttribute('aria-sort')") == "ascending"
    tab.click('[data-sort="value_at_risk"]')
    assert keys_shown(tab)[:10] == [key.translate(plain) for key in ODD_KEYS[:10][::-1]]
    tab.click('[data-sort="value_at_risk"]')
    assert keys_shown(tab)[:10] == [key.translate(plain) for key in ODD_KEYS[:10]]
    tab.click('[data-filter="risk_band"] summary')
    tab.click('[data-filter="risk_band"] label:nth-child(1) input')
    tab.click('[data-filter="risk_band"] label:nth-child(2) input')
    tab.press("Escape")
    risky = scores[scores["risk_band"] != "low"]
    assert tab.text("#page-text").endswith(f"of {len(risky)}")
    tab.run("document.querySelector('#segment-by').value = 'segment 0'")
    tab.run("document.querySelector('#segment-by').dispatchEvent(new Event('change'))")
    plans = frames["gold.gld_scoring_set"].set_index(ENTITY)[PLAN]
    counts = plans[risky.index].value_counts()
    shown = tab.run("[...document.querySelectorAll('#segments tbody tr')].map(row => +row.cells[1].innerText)")
    assert shown == [counts["basic"], counts[HOSTILE]]
    tab.click("#segments tbody tr:nth-child(2) button")
    chosen = risky[plans[risky.index] == HOSTILE]
    assert tab.text("#page-text").endswith(f"of {len(chosen)}")
    assert tab.text("#figures dd").strip() == str(len(chosen))
    tab.click('[data-sort="churn_probability"]')
    tab.click("#download")
    chosen = chosen.sort_values("churn_probability", ascending=False)
    expected = tmp_path / "expected.csv"
    reasons = frames["gold.gld_churn_reasons"].set_index(ENTITY)["reason"].iloc[0]
    table = pd.DataFrame(
        {ENTITY: chosen.index, PLAN: HOSTILE, "reason_1": reasons, "band": chosen["risk_band"].tolist()}
    )
    write_csv(expected, table)
    with tab.downloaded("customers.csv").open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    with expected.open(encoding="utf-8", newline="") as file:
        wanted = list(csv.DictReader(file))
    names = (ENTITY, PLAN, "reason_1")
    assert [[row[name] for name in names] for row in found] == [[row[name] for name in names] for row in wanted]
    assert [float(row["churn_probability"]) for row in found] == chosen["churn_probability"].tolist()
    assert [row["risk_band"] for row in found] == chosen["risk_band"].tolist()
    assert {row["model_version"] for row in found} == {"2"}
    tab.click("#clear")
    assert tab.text("#page-text").endswith(f"of {CUSTOMERS}")
    assert tab.complaints == []


def test_a_narrow_window_needs_no_sideways_scrolling(opened: tuple[Tab, Path]) -> None:
    tab, path = opened
    tab.resize(400)
    tab.open(path, READY, "#customer=C001")
    tab.wait_for("document.querySelector('#customer-key')?.innerText === 'C001'")
    assert tab.run("document.documentElement.scrollWidth") <= 400
    tab.resize(1280)


def test_one_customer_without_dates_is_shown_without_a_course(opened: tuple[Tab, Path], tmp_path: Path) -> None:
    tab, _ = opened
    tab.open(one_customer_without_dates(tmp_path / "shop"), READY, "#customer=7")
    tab.wait_for("document.querySelector('#customer-key')?.innerText === '7'")
    shown = tab.text("#customer")
    assert "41.5" in shown and "yes" in shown
    assert "over time" not in shown and "2000" not in tab.text("main")
    assert "retention act" in shown
    assert tab.complaints == []
