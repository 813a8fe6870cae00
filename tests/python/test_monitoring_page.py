"""The page of monitoring: what moved comes first, every state says what to do, and names stay text."""

from __future__ import annotations

import re
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from python_ml.errors import UserError
from python_ml.monitor import Breach, Monitoring, drift_table, performance_table
from python_ml.report.monitoring_charts import bins_of
from python_ml.report.monitoring_inputs import MonitoringInputs
from python_ml.report.monitoring_page import DRAWN, monitoring_section, render_monitoring
from tests.python.churn_world import small_world, write_project
from tests.python.drift_world import DriftWorld, measured, renamed, sudden
from tests.python.report_world import HOSTILE, Page

NEWEST = datetime(2022, 8, 1)


def both(frame, month):
    return renamed(sudden(frame, month), month)


@pytest.fixture(scope="module")
def drift() -> list[dict]:
    """Amounts rise and a plan has another name, from the first of two later months on."""
    rows = measured(DriftWorld(customers=900, later_months=2, planted=both))
    empty = dict.fromkeys(drift_table.COLUMNS)
    return [{**empty, **row, "model_version": 3, "is_model_input": row["feature"] != "n7"} for row in rows]


def cohort(period: datetime, **figures) -> dict:
    empty = dict.fromkeys(performance_table.COLUMNS)
    return {
        **empty, "model_version": 3, "is_champion": True, "period": period, "scored_customers": 700,
        "labelled_customers": 0, "probability_mean": 0.1, "probability_p10": 0.01, "probability_p90": 0.3,
        "reference_roc_auc": 0.8, "estimated_roc_auc": 0.79, "estimated_roc_auc_low": 0.75,
        "estimated_roc_auc_high": 0.83, "estimate_method": "cbpe", "judged_by": "estimated", "status": "ok", **figures,
    }  # fmt: skip


IMPORTANCE = {"customer_plan": 0.5, "orders_amount_sum_30d": 0.05, "n0": 0.2, "n1": 0.25}


def shown(drift, **changes) -> Page:
    inputs = {"drift": drift, "importance": IMPORTANCE, **changes}
    return Page(render_monitoring(MonitoringInputs("shop", 3, **inputs)))


def headings(page: Page) -> list[str]:
    return [text for text in page.texts if text in {"customer_plan", "orders_amount_sum_30d"}]


def test_what_moved_comes_first_by_what_it_matters(drift):
    page = shown(drift)
    assert headings(page)[:2] == ["customer_plan", "orders_amount_sum_30d"]
    assert "2 of 14 features moved; they carry 55 % of the model's importance" in page.text
    assert (
        "drift since 1 July 2022, compared with the training rows. Driver 1 of 4, 50 % of the importance" in page.text
    )
    assert "new: Premium+" in page.text
    assert "vanished: premium" in page.text
    turned = shown(drift, importance={"customer_plan": 0.01, "orders_amount_sum_30d": 0.99})
    assert headings(turned)[:2] == ["orders_amount_sum_30d", "customer_plan"]
    unknown = shown(drift, importance={})
    assert "run retention explain, then retention monitor" in unknown.text


def test_accepted_drift_comes_last_and_says_why(drift):
    rows = [{**row, "accepted_because": "renamed in July" if row["feature"] == "customer_plan" else None}
            for row in drift]  # fmt: skip
    page = shown(rows)
    assert headings(page)[:2] == ["orders_amount_sum_30d", "customer_plan"]
    assert "Accepted because: renamed in July" in page.text
    assert "1 accepted" in page.text


def test_quiet_periods_are_one_sentence(drift):
    page = shown([{**row, "status": "ok", "since": None} for row in drift])
    assert "No breach in the newest period, 1 August 2022" in page.text
    assert "None of 14 features moved" in page.text
    assert "No alert is open" in page.text
    assert not any(name.startswith("drift-") for name in page.attributes("id"))


def test_cohorts_are_drawn_and_listed(drift):
    realised = {
        "labelled_customers": 700, "judged_by": "realised", "status": "breach", "because": "ROC AUC 0.70",
        "roc_auc_inside": False, "realised_profit": 1234.0,
        **{f"realised_{name}": 0.1 for name in ("roc_auc", "pr_auc", "brier", "churn_rate", "ece")},
    }  # fmt: skip
    page = shown(drift, performance=[cohort(datetime(2022, 7, 1), **realised), cohort(NEWEST)])
    assert "0 of 1 realised figure of ROC AUC lies in the interval" in page.text
    assert "breach" in page.text
    assert "1,234" in page.text
    titles = page.attributes("aria-label")
    for title in ("ROC AUC", "Brier score", "calibration error", "profit"):
        assert any(label.startswith(f"{title}. ") for label in titles), title


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "Run retention build once there is newer data, then retention monitor"),
        ({"dateless": True}, "The rows have no dates of their own"),
        ({"notes": ["No scores are kept yet."]}, "No scores are kept yet."),
    ],
)
def test_empty_states_say_what_to_run(changes, expected):
    page = shown([], importance={}, **changes)
    assert "There is nothing to compare yet" in page.text
    assert expected in page.text


def test_names_and_values_stay_text(drift):
    rows = [{**row, "feature": HOSTILE if row["feature"] == "customer_plan" else row["feature"]} for row in drift]
    rows = [{**row, "new_categories": '["<img src=x>"]' if row["new_categories"] else None} for row in rows]
    alert = {"alert_number": 1, "part": "drift", "message": HOSTILE, "since": None, "opened_at": "2022-08-01T00:00:00"}
    inputs = MonitoringInputs(
        HOSTILE, 3, rows, alerts=[alert], breaches=[HOSTILE], notes=[HOSTILE],
        quality=[{"period": NEWEST, "measure": "days_since_newest_event", "subject": HOSTILE, "value": 2.0}],
    )  # fmt: skip
    html = render_monitoring(inputs)
    assert "<script" not in html
    assert "<img" not in html
    assert 'style="' not in html  # which the policy of the page forbids
    assert "script-src" not in html
    ids = Page(html).attributes("id")
    assert len(ids) == len(set(ids))


def test_five_hundred_features_are_a_table_and_a_few_drawings(drift):
    template = [row for row in drift if row["feature"] == "customer_plan"]
    calm = [row for row in drift if row["feature"] == "n0"]
    rows = [{**row, "feature": f"f{i}"} for i in range(500) for row in (template if i < 40 else calm)]
    html = render_monitoring(MonitoringInputs("shop", 3, rows, importance={f"f{i}": 1.0 for i in range(500)}))
    assert html.count('aria-label="f') == DRAWN
    for key in ("impact", "effect", "importance", "feature"):
        assert html.count(f'id="by-{key}"') == 1
    assert len(html) < 1_500_000
    table = html[html.index('class="scroll by-effect"') : html.index('class="scroll by-importance"')]
    effects = [float(text.replace("\u2212", "-")) for text in
               re.findall(r'</span></td><td class="number">([^<]*)</td>', table)]  # fmt: skip
    assert len(effects) == 500 - DRAWN
    assert effects == sorted(effects, reverse=True)


def test_of_many_categories_the_largest_are_drawn():
    panel = SimpleNamespace(
        labels=(*(f"c{i}" for i in range(30)), "others", "missing"),
        reference=(*(i / 500 for i in range(30)), 0.1, 0.03), current=(*(i / 500 for i in range(30)), 0.1, 0.03),
    )  # fmt: skip
    bins = bins_of(panel)
    assert [label for label, *_ in bins] == [*(f"c{i}" for i in range(20, 30)), "others", "missing"]
    assert sum(before for _, before, _ in bins) == pytest.approx(sum(panel.reference))


def test_the_report_has_the_verdict():
    record = {"summary": "2 drifted", "breaches": [{"what": f"b{i}"} for i in range(7)], "model_version": 2}
    inputs = SimpleNamespace(monitoring=record, metrics={"champion": {"version": 3}})
    section = monitoring_section(inputs)
    assert (len(section["breaches"]), section["more"], section["older"]) == (5, 2, True)
    assert monitoring_section(SimpleNamespace(monitoring=None, metrics={}))["missing"]


# retention run -------------------------------------------------------------------------------------------


def steps(monkeypatch: pytest.MonkeyPatch, watch) -> list[str]:
    """Every step of ``retention run`` but monitoring only notes that it ran."""
    ran: list[str] = []

    def noting(name, value=None):
        def step(*args, **kwargs):
            ran.append(name)
            return value

        return step

    for name in ("build", "score", "act", "explain"):
        monkeypatch.setattr(f"python_ml.cli.{name}.{name}", noting(name))
    monkeypatch.setattr("python_ml.cli.build.lacks_packages", lambda project: True)
    monkeypatch.setattr("python_ml.dbt.dbt_process", lambda *args, **kwargs: nullcontext())
    monkeypatch.setattr("python_ml.cli.run.prove", noting("prove"))
    monkeypatch.setattr("python_ml.cli.run.backtest_where_possible", noting("backtest"))
    monkeypatch.setattr("python_ml.cli.run.measure_offers", noting("uplift"))
    monkeypatch.setattr("python_ml.cli.run.summary_line", lambda metrics, path: f"report: {path}")
    monkeypatch.setattr("python_ml.cli.train.train", noting("train", {}))
    monkeypatch.setattr("python_ml.cli.report.report", noting("report", Path("index.html")))
    monkeypatch.setattr("python_ml.cli.monitor.watch", watch)
    return ran


def test_a_breach_is_a_warning_of_the_run(tmp_path, monkeypatch):
    from python_ml.cli.run import command

    folder = write_project(tmp_path / "shop", small_world())
    breach = Breach("drift", "`plan` drifted", NEWEST, "feature plan", "`plan` drifted")
    found = Monitoring([breach], ["a note"], "1 drifted", {"drift": {"measured": 1}, "performance": []})
    ran = steps(monkeypatch, lambda *args: (found, Path("monitoring.html")))
    outcome = CliRunner().invoke(command, ["--project-dir", str(folder)], catch_exceptions=False)
    assert outcome.exit_code == 0
    assert ran[-1] == "report"
    assert "report: index.html" in outcome.stdout
    assert outcome.stderr.splitlines()[-2:] == ["a note", "warning: `plan` drifted"]


def test_nothing_to_compare_is_one_line_and_no_failure(tmp_path, monkeypatch):
    from python_ml.cli.run import command

    folder = write_project(tmp_path / "shop", small_world())
    data = {"drift": {"measured": 0}, "performance": []}
    found = Monitoring([], ["a note"], drift_table.summary([]), data)
    steps(monkeypatch, lambda *args: (found, Path("monitoring.html")))
    outcome = CliRunner().invoke(command, ["--project-dir", str(folder)], catch_exceptions=False)
    assert outcome.exit_code == 0
    assert outcome.stderr.strip().splitlines() == [drift_table.summary([])]


def test_a_mistake_in_the_settings_of_monitoring_costs_no_report(tmp_path, monkeypatch):
    from python_ml.cli.run import command

    def mistaken(*args):
        raise UserError("There is no feature `x` whose drift could be accepted.", where="retention.yml")

    folder = write_project(tmp_path / "shop", small_world())
    ran = steps(monkeypatch, mistaken)
    outcome = CliRunner().invoke(command, ["--project-dir", str(folder)])
    assert isinstance(outcome.exception, UserError)
    assert ran[-1] == "report"
