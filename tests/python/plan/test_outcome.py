"""What churn means: a table with an outcome and what is known of its time, spans, departures, supplied labels."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml

from python_ml.errors import UserError
from python_ml.leakage import find_leaks
from tests.python.labelled_world import DAYS, START, World, world, write
from tests.python.labelled_world import moment as at_day
from tests.python.plan.planning import day, examined, plan_of, proposed, write_tables
from tests.python.undated import customers

SEEN = date(2024, 6, 30)


class TestTableWithOutcome:
    def test_a_table_without_dates_is_static(self, tmp_path):
        outcome = plan_of(customers(tmp_path / "people.csv"), outcome="Churn").outcome
        assert (outcome.scenario, outcome.as_of.is_snapshot) == ("static", True)
        assert "no column holds dates" in outcome.scenario_reason
        assert "`tenure` is a duration without a date to count from" in outcome.scenario_reason
        assert outcome.churned_values == ("yes",)

    def test_dates_that_do_not_say_when_columns_were_seen_make_it_partial(self, tmp_path):
        def before(base: int, number: int) -> str:
            return f"{SEEN - timedelta(days=base + number % 200):%m/%d/%y}"

        path = customers(
            tmp_path / "people.csv",
            created=lambda n, left, draw: before(600, n),
            firstorder=lambda n, left, draw: "1/0/00" if n < 12 else before(200, n),
            lastorder=lambda n, left, draw: before(0, n),
        )
        plan = plan_of(path, outcome="Churn")
        assert (plan.outcome.scenario, plan.outcome.as_of.is_snapshot) == ("partial", True)
        names = {feature.name for feature in plan.features}
        assert "firstorder_days_after_created" in names
        assert not any("lastorder" in name for name in names)
        unused = {name: reason for name, reason, _ in plan.unused}
        assert unused["people.lastorder"] == "it may lie in the time in which the outcome was decided"
        assert any("'1/0/00'" in notice and "`firstorder`" in notice for notice in plan.notices)

    def test_both_times_make_it_production(self, tmp_path):
        path = customers(
            tmp_path / "people.csv",
            snapshot_date=lambda n, left, draw: SEEN - timedelta(days=30 * (n % 12)),
            label_date=lambda n, left, draw: SEEN - timedelta(days=30 * (n % 12) - 30),
            signup_date=lambda n, left, draw: SEEN - timedelta(days=700 + n % 90),
        )
        plan = plan_of(path, outcome="Churn")
        assert plan.outcome.scenario == "production"
        assert (plan.outcome.as_of.column, plan.outcome.known) == ("snapshot_date", "label_date")
        assert "days_since_signup_date" in {feature.name for feature in plan.features}

    def test_a_start_and_a_tenure_that_agree_give_the_time_of_the_snapshot(self, tmp_path):
        tenures = {}

        def tenure(number: int, left: bool, draw: random.Random) -> int:
            tenures[number] = draw.randrange(1, 60)
            return tenures[number]

        path = customers(
            tmp_path / "people.csv",
            tenure=tenure,
            signup_date=lambda n, left, draw: SEEN - timedelta(days=round(30.44 * tenures[n])),
        )
        computed = plan_of(path, outcome="Churn", horizon="30d").outcome
        assert (computed.scenario, computed.as_of.kind) == ("derived", "computed")
        assert computed.as_of.text == "`signup_date` + `tenure` months"
        # Without a horizon nothing says when the outcome was known, and no date is made up for it.
        alone = plan_of(path, outcome="Churn").outcome
        assert (alone.scenario, alone.as_of.is_snapshot) == ("partial", True)
        assert "--horizon" in alone.scenario_reason

    def test_a_tenure_that_agrees_with_no_start_gives_no_time(self, tmp_path):
        path = customers(
            tmp_path / "people.csv", signup_date=lambda n, left, draw: SEEN - timedelta(days=draw.randrange(2000))
        )
        assert plan_of(path, outcome="Churn", horizon="30d").outcome.scenario == "partial"

    def test_columns_become_features_or_say_why_not(self, tmp_path):
        path = customers(
            tmp_path / "people.csv",
            ChurnReason=lambda n, left, draw: ("price" if n % 2 else "moved") if left else "",
            Comment=lambda n, left, draw: f"customer number {n} wrote something long to us {draw.random()}",
            Country=lambda n, left, draw: "NL",
            Phone=lambda n, left, draw: 600000000 + n,
        )
        examination = examined(path, outcome="Churn", probe=find_leaks)
        plan = examination.planned(proposed(examination)).plan
        types = {feature.name: feature.data_type for feature in plan.features}
        assert types == {"tenure": "double", "monthly_price": "double", "plan": "string", "paperless": "boolean"}
        unused = {name.removeprefix("people."): reason for name, reason, _ in plan.unused}
        assert unused["ChurnReason"] == "its name suggests the outcome"
        assert unused["Country"] == "it is constant"
        assert unused["Phone"] == "personal data: its name suggests phone"
        assert unused["Comment"]
        # The leak is measured although no feature is made of it.
        (given,) = [o for o in examination.profile.outcomes if o.is_given]
        assert "churn_reason" in {a.column for a in given.associations if a.leak == "critical"}
        assert plan.model_input.exclude == {}

    def test_events_and_tables_with_a_repeated_customer_are_refused(self, tmp_path):
        repeated = customers(tmp_path / "repeated.csv", customerID=lambda n, left, draw: f"K{n % 100}")
        with pytest.raises(UserError, match=r"9\.0 rows for each of its values"):
            plan_of(repeated, outcome="Churn")
        with pytest.raises(UserError, match="no column `Chrn`"):
            plan_of(customers(tmp_path / "people.csv"), outcome="Chrn")

    def test_a_table_without_a_key_gets_row_numbers(self, tmp_path):
        path = tmp_path / "calls.csv"
        draw = random.Random(4)
        lines = [f"{draw.randrange(9)},{draw.randrange(50)},{draw.random():.3f},{n % 7 == 0}" for n in range(600)]
        path.write_text("\n".join(["state,calls,minutes,churn", *lines]) + "\n")
        plan = plan_of(path, outcome="churn")
        assert plan.entity == "row_number"
        assert plan.sources[0].counts.kept == 600
        assert any("rows are numbered" in notice for notice in plan.notices)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"positive": "1"}, "--positive means nothing without --outcome or --labels"),
            ({"exclude_columns": ("a",)}, "--exclude-columns means nothing without --outcome"),
            ({"as_of": "2024-01-01"}, "--as-of means nothing without --outcome"),
            ({"outcome": "Churn", "exclude_columns": ("nothing",)}, "no column `nothing`"),
            ({"outcome": "Churn", "exclude_columns": ("tenure", "MonthlyPrice", "Plan", "Paperless")}, "Every column"),
            ({"outcome": "Plan"}, "--positive"),
            ({"outcome": "Churn", "as_of": "soon"}, "`soon` is not a date"),
        ],
    )
    def test_mistakes_are_explained(self, tmp_path, options, message):
        with pytest.raises(UserError) as refused:
            plan_of(customers(tmp_path / "people.csv", rows=300), **options)
        assert message in str(refused.value)
        assert refused.value.hint


def members(**more) -> list[dict]:
    """One row per customer, each with what the functions of its number give."""
    return [{"member_id": f"M{n}", **{name: make(n) for name, make in more.items()}} for n in range(80)]


VISITS = [{"member_id": f"M{n % 80}", "visited_at": day(n * 7 % 400), "price": n % 9} for n in range(1600)]


class TestTableWithOutcomeBesideEvents:
    def outcome(self, folder, columns, **options):
        plan = plan_of(*write_tables(folder / "data", members=members(**columns), visits=VISITS), **options)
        return plan, plan.outcome

    def test_as_of_a_date(self, tmp_path):
        plan, outcome = self.outcome(
            tmp_path, {"region": lambda n: "ns"[n % 2], "churned": lambda n: n % 4 // 3}, outcome="churned",
            as_of="2024-01-10",
        )  # fmt: skip
        assert (outcome.as_of.kind, outcome.as_of.value) == ("constant", "2024-01-10 00:00:00")
        assert plan.setting("snapshot_at") == "2024-01-10 00:00:00"
        assert outcome.activity == "visits"
        names = {c.name for c in plan.features}
        assert "visits_count_30d" in names
        assert "region" in names
        assert not any("--as-of" in review for review in plan.reviews)

    def test_without_a_date_the_end_of_the_events_is_assumed_and_requires_review(self, tmp_path):
        plan, outcome = self.outcome(tmp_path, {"churned": lambda n: n % 4 // 3}, outcome="churned")
        # The last visit is on day 399, 2024-02-05.
        assert outcome.as_of.value == "2024-02-06 00:00:00"
        assert any("end of the events (2024-02-06)" in review and "--as-of" in review for review in plan.reviews)

    def test_a_date_of_the_outcome_gives_a_panel(self, tmp_path):
        columns = {
            "joined": lambda n: day(n % 40),
            "churned": lambda n: n % 4 // 3,
            "churned_on": lambda n: day(100 + 3 * n) if n % 4 == 3 else "",
        }
        plan, outcome = self.outcome(tmp_path, columns, outcome="churned")
        assert outcome.definition == "end_date"
        assert plan.setting("spine_anchor")
        assert not [c.name for c in plan.features if "churned" in c.name]


class TestCoverage:
    def test_spans_alone(self, tmp_path):
        rows = [
            {"subscription_id": f"S{n}", "customer_id": f"C{n % 90}", "created": day(n % 400),
             "cancelled": day(n % 400 + 90) if n % 3 else ""}
            for n in range(150)
        ]  # fmt: skip
        plan = plan_of(*write_tables(tmp_path / "data", subscriptions=rows))
        assert (plan.outcome.definition, plan.outcome.source) == ("end_date", "subscriptions")
        source = plan.source("subscriptions")
        assert (source.use, source.time, source.ended, source.key) == (
            "spans", "created", "cancelled", ("subscription_id",),
        )  # fmt: skip
        assert not plan.setting("active_window")

    def test_a_change_of_plan_and_late_ends(self, tmp_path):
        """The next plan starts on the day after; ends are recorded up to five days late."""
        rows = []
        for n in range(270):
            start = n % 90 + 121 * (n // 90)
            ended, recorded = (day(start + 120), day(start + 120 + n % 6)) if n < 180 else ("", "")
            made = {"subscription_id": f"S{n}", "customer_id": f"C{n % 90}", "created": day(start)}
            rows.append(made | {"ended_at": ended, "ended_recorded_at": recorded})
        examination = examined(*write_tables(tmp_path / "data", subscriptions=rows), horizon="30d")
        plan = examination.planned(proposed(examination).accept_safe()).plan
        assert (plan.source("subscriptions").ended_available, plan.outcome.grace) == ("ended_recorded_at", "1d")
        assert plan.setting("maturity_lag") == "5d"
        assert plan.setting("grace") == "1d"
        # a third of the customers change their plan in the label window of the preview, and none churns
        assert examination.profile.preview.churn_rate == 0

    def test_the_state_of_a_span_is_not_accepted_unasked(self, tmp_path):
        rows = [
            {"subscription_id": f"S{n}", "customer_id": f"C{n % 90}", "created": day(n % 400),
             "cancelled": day(n % 400 + 90) if n % 7 else "", "status": "ended" if n % 7 else "running",
             "plan": "basic" if n % 4 else "premium"}
            for n in range(150)
        ]  # fmt: skip
        examination = examined(*write_tables(tmp_path / "data", subscriptions=rows))
        decided = proposed(examination).accept_safe()
        plan = examination.planned(decided).plan
        assert [m.name for m in plan.source("subscriptions").measures] == ["plan"]
        unused = {name: reason for name, reason, _ in plan.unused}
        assert unused == {"subscriptions.status": "not accepted yet: silver.subscriptions.measure.status"}
        changed = examination.planned(decided.accept("silver.subscriptions.measure.status")).plan
        assert {m.name for m in changed.source("subscriptions").measures} == {"plan", "status"}

    def test_events_beside_spans_mean_inactivity_unless_asked(self, tmp_path):
        plans = [
            {"subscription_id": f"S{n}", "member_id": f"M{n % 80}", "created": day(n % 300),
             "cancelled": day(n % 300 + 90) if n % 3 else ""}
            for n in range(120)
        ]  # fmt: skip
        paths = write_tables(tmp_path / "data", subscriptions=plans, visits=VISITS)
        plan = plan_of(*paths)
        assert plan.outcome.definition == "inactivity"
        assert any("--churn end_date" in review for review in plan.reviews)
        chosen = plan_of(*paths, churn="end_date")
        assert (chosen.outcome.definition, chosen.outcome.source) == ("end_date", "subscriptions")

    def test_departures_and_returns(self, tmp_path):
        paths = write_tables(
            tmp_path / "data",
            members=members(joined=lambda n: day(n % 40)),
            visits=VISITS,
            departures=[{"member_id": f"M{n}", "left_on": day(100 + 3 * n)} for n in range(0, 80, 2)],
            returns=[{"member_id": f"M{n}", "returned_on": day(130 + 3 * n)} for n in range(0, 80, 8)],
        )
        outcome = plan_of(*paths, churn="end_date").outcome
        assert (outcome.source, outcome.starts, outcome.returns) == ("departures", "members", "returns")
        without = plan_of(*paths[1:3], churn="end_date").outcome
        assert (without.source, without.starts, without.activity) == ("departures", "", "visits")

    def test_nothing_that_ends(self, tmp_path):
        paths = write_tables(tmp_path / "data", visits=VISITS)
        with pytest.raises(UserError, match="No file says when coverage ends"):
            plan_of(*paths, churn="end_date")
        with pytest.raises(UserError, match="No file says which customers churned"):
            plan_of(*paths, churn="supplied")


@pytest.fixture(scope="module")
def small() -> World:
    return world(customers=120)


@pytest.fixture(scope="module")
def visits(small, tmp_path_factory) -> Path:
    return small.write_visits(tmp_path_factory.mktemp("events") / "visits.csv")


class TestSuppliedLabels:
    @pytest.fixture
    def planned(self, visits):
        """The examination and the plan of labels with visits."""

        def plan(labels: Path, *columns: str, **options):
            examination = examined(visits, labels=labels, label_columns=columns, **options)
            return examination, examination.planned(proposed(examination)).plan

        return plan

    def test_parts_by_evidence(self, tmp_path, small, planned):
        path = small.write_labels(tmp_path / "labels.csv", region=lambda label: "north")
        examination, plan = planned(path, horizon="30d")
        outcome, labels = plan.outcome, plan.source(plan.outcome.source)
        assert (plan.entity, outcome.as_of.column, outcome.raw_label) == ("customer_id", "looked_at", "churned")
        assert outcome.churned_values == ("1",)
        assert examination.profile.labels.rows == examination.profile.labels.labelled == len(small.labels)
        assert examination.profile.labels.without_events == 0
        assert outcome.definition == "supplied"
        assert plan.setting("horizon") == "30d"
        assert plan.setting("score_at") == str(at_day(DAYS - 1))
        assert labels.attributes == (), "labels bring no features"
        assert not any("look ahead" in review for review in plan.reviews)

    def test_windows_fit_the_history_before_the_labels(self, tmp_path, small, planned):
        early = World(small.visits, [label for label in small.labels if label.looked_at < START + timedelta(days=100)])
        _, plan = planned(early.write_labels(tmp_path / "labels.csv"), horizon="30d")
        assert plan.setting("windows") == "7d, 30d, 90d, all_time"

    def test_named_columns_a_known_time_and_a_split(self, tmp_path, small, planned):
        path = small.write_labels(
            tmp_path / "outcomes.csv",
            names=("who", "seen", "stayed_with_us"),
            stayed_with_us=lambda label: "no" if label.churned else "yes",
            outcome_date=lambda label: f"{label.looked_at + timedelta(days=45):%d.%m.%Y %H:%M:%S}",
            split=lambda label: "Train" if label.looked_at < START + timedelta(days=220) else "TEST",
        )
        examination, plan = planned(path, "entity=who")
        outcome = plan.outcome
        assert (outcome.as_of.column, outcome.raw_label, outcome.known, outcome.split) == (
            "seen", "stayed_with_us", "outcome_date", "split",
        )  # fmt: skip
        assert plan.source(outcome.source).own_entity.raw_name == "who"
        assert outcome.churned_values == ("no",)
        assert next(o for o in examination.profile.outcomes if o.is_given).positive_is_retained
        assert outcome.split_values == {"train": ("train",), "test": ("test",)}
        assert plan.setting("label_time") == "outcome_date"
        assert plan.setting("horizon") == ""

    def test_without_a_horizon_the_label_time_is_called_unknown(self, tmp_path, small, planned):
        _, plan = planned(small.write_labels(tmp_path / "labels.csv"))
        assert plan.setting("label_time") == "feature_timestamp"
        assert any("nothing tells how far the labels look ahead" in review for review in plan.reviews)

    def test_labels_of_one_time_are_measured_by_cross_validation(self, tmp_path, small, planned):
        one = {label.customer_id: (label.customer_id, at_day(200), label.churned) for label in small.labels[::3]}
        path = write(tmp_path / "labels.csv", ["customer_id", "looked_at", "churned"], list(one.values()))
        _, plan = planned(path, horizon="30d")
        assert plan.setting("split") == "cross-validation"
        assert (plan.outcome.scenario, plan.outcome.as_of.kind) == ("production", "constant")

    def test_unknown_customers_and_rows_outside_the_events_are_counted(self, tmp_path, small, planned):
        rows = [(label.customer_id, label.looked_at, label.churned) for label in small.labels]
        rows += [("somebody", at_day(100), 0), ("C0001", START - timedelta(days=9), 0), ("C0002", at_day(DAYS + 20), 1)]
        path = write(tmp_path / "labels.csv", ["customer_id", "looked_at", "churned"], [*rows, rows[0]])
        examination, plan = planned(path, horizon="30d")
        reviews = "\n".join(plan.reviews)
        assert "1 of " in reviews
        assert "have no event in visits" in reviews
        assert "before the first event" in reviews
        assert "more than a day after the last event" in reviews
        assert examination.profile.labels.without_events == 1
        assert examination.profile.labels.rows == len(rows)

    def test_a_horizon_that_ends_before_the_next_label_gives_no_gap(self, tmp_path, small, planned):
        with pytest.raises(UserError, match="without a horizon"):
            planned(small.write_labels(tmp_path / "labels.csv"), gap="7d")


MISTAKES = {
    "no customer": ({"customer_id": None}, (), {}, "No column of the labels says which customer"),
    "no time": ({"looked_at": None}, (), {}, "No column of the labels gives the as-of time"),
    "no label": ({"churned": None}, (), {}, "No column of the labels holds the outcome"),
    "three values": ({"churned": lambda row, i: i % 3}, (), {}, "--positive"),
    "a probability": ({"churned": lambda row, i: i / 1000}, (), {}, "too many different values"),
    "one value": ({"churned": lambda row, i: 0}, (), {}, "a single value"),
    "unknown customers only": ({"customer_id": lambda row, i: f"X{i}"}, (), {}, "None of the"),
    "other years": ({"looked_at": lambda row, i: f"2019-01-{1 + i % 28:02d}"}, (), {}, "lies within the events"),
    "no times": ({"looked_at": lambda row, i: "soon"}, ("time=looked_at",), {}, "dates or times"),
    "unknown column": ({}, ("label=left",), {}, "have no column `left`"),
    "unknown part": ({}, ("outcome=churned",), {}, "names no part of the labels"),
    "twice": ({}, ("time=looked_at", "time=churned"), {}, "a second time"),
    "no date": ({}, (), {"test_from": "soon"}, "`soon` is not a date"),
    "validation after test": (
        {}, (), {"validation_from": "2023-09-01", "test_from": "2023-07-01"}, "does not begin before the test",
    ),
    "test after all": ({}, (), {"test_from": "2031-01-01"}, "The test part has no labelled row"),
    "nothing to learn from": ({}, (), {"test_from": "2022-01-01"}, "The train part has no labelled row"),
    "other split": ({"split": lambda row, i: "ab"[i % 2]}, ("split=split",), {}, "holds 'a', 'b'"),
    "split twice": (
        {"split": lambda row, i: ("train", "test")[i % 2]}, ("split=split",), {"test_from": "2023-08-01"},
        "given twice",
    ),
    "both": ({}, (), {"outcome": "churned"}, "not both"),
    "early outcome": (
        {"known": lambda row, i: "2023-01-01"}, ("known=known",), {}, "does not give the time at which each outcome",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_in_labels_has_one_clear_message(mistake, tmp_path, small, visits):
    changed, columns, options, message = MISTAKES[mistake]
    rows = [
        {"customer_id": label.customer_id, "looked_at": f"{label.looked_at:%Y-%m-%d}", "churned": label.churned}
        for label in small.labels
    ]
    for number, row in enumerate(rows):
        for name, make in changed.items():
            if make is None:
                del row[name]
            else:
                row[name] = make(row, number)
    labels = write(tmp_path / "labels.csv", list(rows[0]), [list(row.values()) for row in rows])
    with pytest.raises(UserError) as refused:
        examined(visits, labels=labels, label_columns=columns, **options)
    assert message in str(refused.value)
    assert refused.value.hint
    assert refused.value.exit_code == 2


def test_on_a_terminal_init_asks_which_value_means_churn(tmp_path):
    pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
    path = customers(
        tmp_path / "people.csv", rows=300, retained=lambda n, left, draw: int(not left), Churn=lambda *_: ""
    )
    keyboard, terminal = pty.openpty()
    os.write(keyboard, b"1\ny\n")
    words = ("init", "shop", "--data", str(path), "--outcome", "retained", "--json")
    try:
        completed = subprocess.run(
            [sys.executable, "-m", "python_ml", *words],
            cwd=tmp_path, stdin=terminal, capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        os.close(keyboard)
        os.close(terminal)
    assert completed.returncode == 0, completed.stderr
    assert "Which value of `retained` means" in completed.stderr
    findings = yaml.safe_load((tmp_path / "shop" / "findings.yaml").read_text(encoding="utf-8"))
    assert findings["outcome"]["churned_values"] == ["1"]
