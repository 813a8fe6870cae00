"""Outcomes: which value means churn, what goes together with it, segments, labels, activity and previews; by hand."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from python_ml.errors import UserError
from python_ml.leakage import find_leaks
from python_ml.profile import (
    count_at_risk,
    measure_activity,
    measure_delays,
    measure_labels,
    notices,
    preview_inactivity,
    preview_spans,
    read_outcome,
)
from python_ml.profile.statistics import auc, rate
from python_ml.stats import cramers_v
from tests.python.profile.test_columns import lines


def outcome_of(profiled, name: str, counts: dict[str, int], positive: str | None = None):
    values = [value for value, count in counts.items() for _ in range(count)]
    table = {"customers": lines(f"customer_id,{name}", *(f"c{n},{value}" for n, value in enumerate(values)))}
    return profiled(tables=table, outcome=name, positive=positive).outcomes[0]


@pytest.mark.parametrize(
    ("name", "counts", "churned", "warning"),
    [
        ("churn", {"Yes": 30, "No": 70}, "yes", ""),
        ("Churn", {"1": 30, "0": 70}, "1", ""),
        ("retained", {"1": 70, "0": 30}, "0", "positive class is not churn"),
        ("status", {"Active": 70, "Cancelled": 30}, "cancelled", ""),
        ("status", {"active": 70, "dormant": 30}, "dormant", ""),
        ("Attrition_Flag", {"Existing Customer": 70, "Attrited Customer": 30}, "attrited customer", ""),
        ("label", {"1": 30, "0": 70}, "1", "nothing in the name"),
        ("churn", {"-1": 168, "1": 22}, "1", "-1 and 1"),
        ("churn", {"1": 161, "2": 29}, "2", "1 in 84.7% of the rows and 2 in 15.3% of the rows"),
        ("churn", {"1.0": 30, "0.0": 70}, "1", ""),
    ],
)
def test_which_value_means_churn(profiled, name, counts, churned, warning):
    outcome = outcome_of(profiled, name, counts)
    assert outcome.churned == (churned,)
    assert warning in outcome.warning if warning else outcome.warning == ""
    assert outcome.churned_rows + sum(outcome.counts[value] for value in outcome.retained) == outcome.labelled_rows
    assert outcome.positive_is_retained == (name == "retained")


def test_the_named_value_means_churn(profiled):
    outcome = outcome_of(profiled, "category", {"moved": 20, "price": 30, "none of these": 50}, "Moved")
    assert (outcome.churned, outcome.retained) == (("moved",), ("none of these", "price"))
    assert "although the name" in outcome_of(profiled, "churn", {"yes": 30, "no": 70}, "no").warning


@pytest.mark.parametrize(
    ("name", "counts", "message"),
    [
        ("churn", {"1": 100}, "has a single value: '1' (100)"),
        ("reason", {"a": 50, "b": 30, "c": 20}, "--positive c"),
        ("x", {"red": 70, "blue": 30}, "--positive blue"),
        ("score", {str(n): 3 for n in range(60)}, "too many different values"),
    ],
)
def test_outcomes_that_cannot_be(profiled, name, counts, message):
    with pytest.raises(UserError) as error:
        outcome_of(profiled, name, counts)
    assert message in str(error.value)
    assert "np." not in str(error.value)


def test_an_outcome_that_does_not_exist(profiled, connection):
    with pytest.raises(UserError, match="no column `nope`"):
        profiled(tables={"t": lines("id,churn", "1,0", "2,1")}, outcome="nope")
    with pytest.raises(UserError, match="No row has the value 'maybe'"):
        read_outcome(connection, profiled(tables={"t": lines("id,churn", "1,0", "2,1")}).tables[0], "churn", "maybe")


CUSTOMERS = lines("customer_id,churn_flag", *(f"c{n},{n < 30}" for n in range(100)), "c100,")
# Twenty of the thirty churned customers, one of them twice, and five that were retained; c100 has no outcome.
DEPARTURES = [*range(10, 35), 12, 100]


def departures(header: str = "churn_event_id,customer_id,churn_date") -> str:
    return lines(header, *(f"e{n},c{c},2024-0{n % 9 + 1}-15" for n, c in enumerate(DEPARTURES)))


@pytest.mark.parametrize("name", ["churn_events", "customer_departures", "cancellations"])
def test_an_outcome_is_compared_with_departures(profiled, name):
    profile = profiled(tables={"customers": CUSTOMERS, name: departures()})
    (agreement,) = profile.agreements
    assert (agreement.table, agreement.column, agreement.departures) == ("customers", "churn_flag", name)
    assert (agreement.both, agreement.outcome_only, agreement.departures_only, agreement.neither) == (20, 10, 5, 65)
    (notice,) = [n for n in notices(profile) if n.topic == "two outcomes"]
    assert (notice.level, notice.column) == ("critical", "churn_flag")
    assert notice.text == (
        f"`churn_flag` of customers agrees with {name} for 85 of 100 customers (85%): 5 have a row of {name} and are "
        "retained by `churn_flag`, 10 are churned by it without such a row"
    )
    reversed_ = agreement.reversed()
    assert (reversed_.agreed, reversed_.both, reversed_.neither) == (15, 5, 10)


def test_outcomes_that_agree_are_no_notice(profiled):
    rows = (f"e{n},c{n},2024-0{n % 9 + 1}-15" for n in range(30))
    tables = {"customers": CUSTOMERS, "exits": lines("exit_id,customer_id,exited_on", *rows)}
    profile = profiled(tables=tables)
    assert [(a.agreed, a.compared) for a in profile.agreements] == [(100, 100)]
    assert not [n for n in notices(profile) if n.topic == "two outcomes"]


def test_an_outcome_beside_the_customers_is_compared_too(profiled):
    master = lines("customer_id,country", *(f"c{n},{'ab'[n % 2]}" for n in range(101)))
    tables = {"customers": master, "crm_status": CUSTOMERS, "churn_events": departures()}
    (agreement,) = profiled(tables=tables).agreements
    assert (agreement.table, agreement.agreed, agreement.compared) == ("crm_status", 85, 100)


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("order_cancellations", "cancellation_id,customer_id,cancelled_on"),
        ("cancellations", "order_id,customer_id,cancelled_on"),
        ("telco_churn_services", "service_id,customer_id,booked_on"),
        ("orders", "order_id,customer_id,churn_date"),
    ],
)
def test_rows_that_are_no_departures_of_customers_are_not_compared(profiled, name, header):
    assert profiled(tables={"customers": CUSTOMERS, name: departures(header)}).agreements == ()


def test_areas_and_intervals():
    draw = np.random.default_rng(0)
    churned = draw.integers(0, 2, 500)
    values = np.round(draw.normal(churned * 0.7), 1)
    estimate = auc(values, churned)
    assert estimate.value == pytest.approx(roc_auc_score(churned, values))
    assert estimate.low < estimate.value < estimate.high
    # The standard error by Hanley and McNeil (1982) is close to DeLong's.
    a, m = estimate.value, churned.sum()
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    error = np.sqrt((a * (1 - a) + (m - 1) * (q1 - a * a) + (499 - m) * (q2 - a * a)) / (m * (500 - m)))
    assert (estimate.high - estimate.low) / (2 * 1.96) == pytest.approx(error, rel=0.1)
    # With every row four times, an interval that counts customers stays as wide.
    again = auc(np.repeat(values, 4), np.repeat(churned, 4), np.repeat(np.arange(500), 4))
    assert again.value == pytest.approx(estimate.value)
    assert again.high - again.low == pytest.approx(estimate.high - estimate.low, rel=0.01)
    assert auc(values[:12], np.r_[np.ones(3), np.zeros(9)]) is None


def test_categories():
    assert cramers_v([(50, 0), (0, 50)]) == pytest.approx(1.0)
    assert cramers_v([(25, 25), (25, 25)]) == 0
    assert cramers_v([(50, 50)]) is None
    wilson = rate("a", 8, 10).rate
    assert (round(wilson.low, 4), round(wilson.high, 4)) == (0.4902, 0.9433)


def test_associations_and_leaks(profiled):
    draw = np.random.default_rng(1)
    rows = []
    for n in range(600):
        churned = n % 3 == 0
        rows.append(
            f"c{n},{int(churned)},{draw.normal(5 - churned):.3f},{draw.normal():.3f},{'ab'[n % 2]},"
            f"{(0 if churned else 3) + draw.integers(0, 2)}"
        )
    table = {"customers": lines("customer_id,churned,visits_rate,noise,plan,mails_sent", *rows)}
    profile = profiled(tables=table, probe=find_leaks)
    associations = {a.column: a for a in profile.outcomes[0].associations}
    assert next(iter(associations)) == "mails_sent"
    assert associations["mails_sent"].leak == "critical"
    assert 0.1 < associations["visits_rate"].value < 0.35
    assert associations["noise"].interval.low < 0.5 < associations["noise"].interval.high
    assert (associations["plan"].measure, round(associations["plan"].value, 2)) == ("cramers_v", 0)
    assert sum(r.rows for r in associations["visits_rate"].rates) == 600
    assert [r.group for r in associations["plan"].rates] == ["a", "b"]


def test_segments(profiled):
    draw = np.random.default_rng(2)
    rows = []
    for n in range(600):
        group = n % 2
        churned = draw.random() < (0.6 if group else 0.1)
        rows.append(f"c{n},{int(churned)}," + ",".join(f"{draw.normal(6 * group):.3f}" for _ in range(3)))
    profile = profiled(tables={"customers": lines("customer_id,churned,a_score,b_score,c_score", *rows)})
    (segments,) = profile.segments
    assert segments.is_supported
    assert [s.rows for s in segments.segments] == [300, 300]
    assert "differ in the churn rate" in segments.text
    noise = [f"c{n}," + ",".join(f"{draw.normal():.3f}" for _ in range(4)) for n in range(600)]
    (none,) = profiled(tables={"customers": lines("customer_id,a_score,b_score,c_score,d_score", *noise)}).segments
    assert (none.is_supported, none.segments) == (False, ())


@pytest.fixture
def relation(connection):
    """A relation of rows given as tuples of SQL literals."""

    def make(columns: str, *rows: str) -> str:
        return f"(select * from (values {', '.join(f'({row})' for row in rows)}) as t({columns}))"

    return make


VISITS = (
    ("a", "2024-01-01", "2024-01-11", "2024-01-31", "2024-03-01"),
    ("b", "2024-01-01 10:00", "2024-01-01 20:00"),
    ("c", "2024-02-10", "2024-02-20"),
)


@pytest.fixture
def visits(relation) -> str:
    return relation("entity, event_at", *(f"'{who}', timestamp '{day}'" for who, *days in VISITS for day in days))


def test_activity(connection, visits):
    activity = measure_activity(connection, "visits", visits)
    assert (activity.customers, activity.customer_days, activity.span_days) == (3, 7, 60)
    # gaps: a 10, 20, 30; c 10
    assert (activity.gap_median, activity.gap_p75) == (10, 20)
    assert activity.returning == pytest.approx(2 / 3, abs=1e-6)
    # windows of 30 days back from 1 March: a has 3 with 3 events in (0, 30, 50, 60 days before: 0, 1, 1, 2) -> 3 of 3;
    # b (60 days before) 1 of 3; c (10 and 20 days before) 1 of 1
    assert activity.occupied["30d"] == pytest.approx(5 / 7, abs=1e-4)
    assert sum(q.customers for q in activity.quadrants) == sum(c.customers for c in activity.cohorts) == 3
    early = measure_activity(connection, "visits", visits, datetime(2024, 2, 15))
    assert (early.last, early.customer_days) == (datetime(2024, 2, 10), 5)
    assert measure_activity(connection, "visits", f"(select * from {visits} where false)") is None


def test_customers_at_risk(connection, visits):
    # within 30 days before 1 Feb: a; before 1 March (excluded): a (31 Jan) and c
    assert count_at_risk(connection, visits, date(2024, 2, 1), date(2024, 2, 1), [30]) == [1]
    assert count_at_risk(connection, visits, date(2024, 3, 1), date(2024, 3, 1), [30]) == [2]


def test_a_preview_of_inactivity(connection, visits):
    # at 1 Feb (30 days before 2 March), active within 40 days: a and b; a comes back on 1 March, b does not
    preview = preview_inactivity(connection, visits, date(2024, 3, 2), 30, 0, 40)
    assert (preview.feature_timestamp, preview.customers, preview.churn_rate) == (datetime(2024, 2, 1), 2, 0.5)
    assert preview_inactivity(connection, visits, date(2023, 3, 2), 30, 0, 40) is None


def test_delays_are_those_since_rows_began_to_arrive(connection, relation):
    """What was loaded when the warehouse began is not late; of two versions, the first is the one that arrived."""
    loaded = "timestamp '2024-03-01'"
    visits = relation(
        "entity, event_at, known_at",
        f"'a', timestamp '2020-01-01', {loaded}",
        f"'b', timestamp '2024-02-28', {loaded}",
        "'a', timestamp '2024-03-02', timestamp '2024-03-02 06:00'",
        "'a', timestamp '2024-03-02', timestamp '2024-09-01'",
        "'c', timestamp '2024-03-05', timestamp '2024-03-08'",
        "'d', null, timestamp '2024-03-08'",
        "'d', timestamp '2024-03-08', null",
    )
    delays = measure_delays(connection, [visits])
    assert (delays.high, delays.longest, delays.rows) == (3.0, 3.0, 2)
    at_once = relation("entity, event_at, known_at", "'a', timestamp '2024-03-02', timestamp '2024-03-02'")
    assert measure_delays(connection, [at_once]).high == 0
    assert measure_delays(connection, [at_once, visits]) == delays
    assert measure_delays(connection, []) is None


def test_one_row_in_a_hundred_may_arrive_later(connection):
    hours = "(case when n = 100 then 24 * 60 when n between 150 and 152 then 26 else 1 end)"
    known = f"event_at + to_hours({hours}) as known_at"
    happened = "timestamp '2024-01-01' + to_hours(n) as event_at"
    visits = f"(select n::varchar as entity, {happened}, {known} from range(200) as r(n))"
    delays = measure_delays(connection, [visits])
    assert (round(delays.high * 24), delays.longest) == (26, 60.0)


def test_a_preview_of_spans(connection, relation):
    spans = relation(
        "entity, started_at, ended_at",
        "'a', timestamp '2024-01-01', timestamp '2024-02-05'",
        "'a', timestamp '2024-02-05', null",  # an upgrade
        "'b', timestamp '2024-01-01', timestamp '2024-02-10'",
        "'c', timestamp '2024-01-05', timestamp '2024-01-20'",  # has ended before
        "'d', timestamp '2024-01-05', timestamp '2024-04-01'",  # ends after the horizon
        "'e', timestamp '2024-01-05', timestamp '2024-02-12'",
        "'e', timestamp '2024-02-15', null",  # three days later
        "'f', timestamp '2024-02-02', null",  # not yet a customer
    )
    preview = preview_spans(connection, spans, date(2024, 2, 1), 30)
    assert (preview.customers, preview.churn_rate) == (4, 0.5)
    assert preview_spans(connection, spans, date(2024, 2, 1), 30, grace_days=3).churn_rate == 0.25
    assert preview_spans(connection, spans, date(2020, 2, 1), 30) is None


def labels(relation, *rows: str) -> str:
    return relation("entity, as_of, churned, known_at, part", *rows)


def test_labels(connection, relation, visits):
    given = labels(
        relation,
        "'a', timestamp '2024-02-01', 0, timestamp '2024-03-02', 'train'",
        "'a', timestamp '2024-02-01', 0, timestamp '2024-03-02', 'train'",  # given twice
        "'b', timestamp '2024-02-01', 1, timestamp '2024-02-15', 'train'",
        "'c', timestamp '2024-02-25', 1, timestamp '2024-02-27', 'test'",
        "'z', timestamp '2024-03-05', null, null, null",
    )
    facts = measure_labels(connection, "labels", given, visits)
    assert (facts.rows, facts.labelled, facts.churned, facts.customers, facts.without_events) == (4, 3, 2, 4, 1)
    assert (facts.first, facts.last) == (datetime(2024, 2, 1), datetime(2024, 3, 5))
    assert facts.newest_unlabelled == datetime(2024, 3, 5)
    assert facts.parts == {"test": (0, 1), "train": (1, 1)}
    assert (facts.early, facts.late, facts.beyond) == (0, 1, 1)
    # days since the last event: a 1, b 30 and 4 hours, c 5
    assert facts.recency_p99 == pytest.approx(30.167 - 0.02 * (30.167 - 5), abs=0.01)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            ["'a', timestamp '2024-02-01', 0, null, null", "'a', timestamp '2024-02-01', 1, null, null"],
            "a at 2024-02-01",
        ),
        (
            ["'a', timestamp '2024-02-01', 0, null, 'train'", "'b', timestamp '2024-02-01', 1, null, null"],
            "no part of the split",
        ),
        (["null, timestamp '2024-02-01', 0, null, null"], "no row with a customer and a time"),
    ],
)
def test_labels_that_cannot_be_used(connection, relation, rows, message):
    with pytest.raises(UserError, match=message) as error:
        measure_labels(connection, "labels", labels(relation, *rows))
    assert error.value.hint
