"""What onboarding finds in files, and what it decides: the customer, the time, features, feature times."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from python_ml.errors import UserError
from python_ml.onboarding import rhythm, roles
from python_ml.onboarding.assembly import assemble
from python_ml.onboarding.examination import DataArgument, examine, plausible_bounds, source_name
from python_ml.onboarding.reading import scratch_connection
from python_ml.onboarding.rhythm import Activity, Choices
from tests.python.raw_shop import START, shop, write


@pytest.fixture
def connection():
    with scratch_connection() as opened:
        yield opened


def looked_at(connection, *paths, **choices):
    return examine(connection, [DataArgument.parse(str(p)) for p in paths], **choices)


class TestEntityAndTime:
    def test_a_shop(self, connection, tmp_path):
        (found,) = looked_at(connection, write(tmp_path / "orders.csv", shop()))
        assert (found.name, found.entity.column.name, found.time.column.name) == ("orders", "customer_id", "ordered_at")
        assert found.facts.rows_per_value == pytest.approx(20, abs=0.5)

    def test_names_of_another_language_and_file(self, connection, tmp_path):
        rows = [
            {"Beleg": r["order_id"], "Kunde": r["customer_id"], "Datum": r["ordered_at"], "Betrag": r["unit_price"]}
            for r in shop()
        ]
        (found,) = looked_at(connection, write(tmp_path / "export_2023.csv", rows, delimiter=";"))
        assert (found.entity.column.raw_name, found.time.column.raw_name) == ("Kunde", "Datum")
        assert source_name(found) == "purchases"

    def test_without_any_names_the_values_decide(self, connection, tmp_path):
        path = tmp_path / "x.csv"
        draw = random.Random(1)
        path.write_text(
            "".join(f"{draw.randrange(200):05d},2023{1 + n % 12:02d}{1 + n % 28:02d},{n % 7}.5\n" for n in range(3000))
        )
        (found,) = looked_at(connection, path)
        assert (found.entity.column.name, found.time.column.name) == ("column_1", "column_2")
        assert "column_1" in found.entity.doubt

    def test_between_two_unnamed_codes_nobody_guesses(self, connection, tmp_path):
        rows = [{"aa": r["customer_id"], "bb": r["product_code"] + "x" * 3, "t": r["ordered_at"]} for r in shop()]
        rows = [{**r, "bb": f"P{i % 300}"} for i, r in enumerate(rows)]
        (found,) = looked_at(connection, write(tmp_path / "x.csv", rows))
        assert found.entity is None
        with pytest.raises(UserError, match="No column could be told to be the customer") as error:
            assemble(connection, [found], tmp_path / "p", Choices())
        assert "aa" in error.value.hint

    def test_the_earlier_of_two_times_is_when_it_happened(self, connection, tmp_path):
        rows = [
            {
                "client": r["customer_id"],
                "closed_on": f"{datetime.fromisoformat(r['ordered_at']) + timedelta(days=3):%Y-%m-%d %H:%M:%S}",
                "opened_on": r["ordered_at"],
            }
            for r in shop()
        ]
        (found,) = looked_at(connection, write(tmp_path / "tickets.csv", rows))
        assert found.time.column.name == "opened_on"
        assert found.time.others == ("closed_on",)

    def test_a_birthday_is_not_when_it_happened(self, connection, tmp_path):
        rows = [{"birth_date": f"19{50 + i % 40}-05-01", **r} for i, r in enumerate(shop())]
        (found,) = looked_at(connection, write(tmp_path / "orders.csv", rows))
        assert found.time.column.name == "ordered_at"

    def test_an_arrival_time_is_used_when_it_follows_the_event(self, connection, tmp_path):
        def arrives(row):
            return f"{datetime.fromisoformat(row['ordered_at']) + timedelta(days=2):%Y-%m-%d %H:%M:%S}"

        (found,) = looked_at(connection, write(tmp_path / "a.csv", shop(), loaded_at=arrives))
        assert found.available.column.name == "loaded_at"
        (bulk,) = looked_at(connection, write(tmp_path / "b.csv", shop(), loaded_at=lambda r: "2025-01-01 00:00:00"))
        assert bulk.available is None

    def test_bare_words_of_sql_get_names_that_say_more(self, connection, tmp_path):
        rows = [{"user": r["customer_id"], "at": r["ordered_at"], "revenue": r["unit_price"]} for r in shop()]
        (found,) = looked_at(connection, write(tmp_path / "visits.csv", rows))
        spec = assemble(connection, [found], tmp_path / "p", Choices())
        assert (spec.entity, spec.activity.time.name) == ("user_id", "event_at")

    def test_flags_overrule(self, connection, tmp_path):
        path = write(tmp_path / "orders.csv", shop(), seen_on=lambda r: r["ordered_at"][:10])
        (found,) = looked_at(connection, path, entity="Order_ID", time="seen_on")
        assert (found.entity.column.name, found.time.column.name) == ("order_id", "seen_on")

    def test_files_agree_on_the_customer(self, connection, tmp_path):
        orders = write(tmp_path / "orders.csv", shop())
        tickets = [{"ticket_id": i, "agent_user": f"a{i % 9}", "customer_id": r["customer_id"], "at": r["ordered_at"]}
                   for i, r in enumerate(shop(500, seed=3))]  # fmt: skip
        found = looked_at(connection, orders, write(tmp_path / "tickets.csv", tickets))
        assert [p.entity.column.name for p in found] == ["customer_id", "customer_id"]


class TestDecisions:
    def spec(self, connection, tmp_path, *paths, choices=None, **examined):
        return assemble(
            connection, looked_at(connection, *paths, **examined), tmp_path / "my shop", choices or Choices()
        )

    def test_money_is_computed_where_only_its_parts_are_there(self, connection, tmp_path):
        spec = self.spec(connection, tmp_path, write(tmp_path / "orders.csv", shop()))
        assert spec.name == "my_shop"
        assert spec.activity.derived[0].expression == "quantity * unit_price"
        used = {m.name: m.aggregates for m in spec.activity.measures}
        assert used["line_amount"] == ("sum", "mean", "max", "stddev")
        assert used["unit_price"] == ("mean", "min", "max")
        assert used["order_id"] == ("nunique",)

    def test_a_total_is_not_computed_twice(self, connection, tmp_path):
        path = write(tmp_path / "orders.csv", shop(), total=lambda r: round(r["quantity"] * float(r["unit_price"]), 2))
        assert self.spec(connection, tmp_path, path).activity.derived == ()

    def test_reversals_are_no_activity(self, connection, tmp_path):
        rows = shop()
        rows = [
            {**r, "order_id": f"C{i}", "quantity": -r["quantity"]} if i % 20 == 0 else {**r, "order_id": f"{i // 2}"}
            for i, r in enumerate(rows)
        ]
        spec = self.spec(connection, tmp_path, write(tmp_path / "orders.csv", rows))
        reversal = spec.activity.reversal
        assert reversal.condition == "quantity < 0 or order_id like 'C%'"
        assert (reversal.rows, reversal.name) == (150, "returns")
        assert "returns_line_amount_sum_30d" in {c.name for c in spec.features}
        assert any("150 rows take something back" in trap for trap in spec.traps)

    def test_rows_without_a_customer_are_counted(self, connection, tmp_path):
        rows = [{**r, "customer_id": "" if i % 10 == 0 else r["customer_id"]} for i, r in enumerate(shop())]
        spec = self.spec(connection, tmp_path, write(tmp_path / "orders.csv", rows))
        assert spec.activity.quarantined == {"missing customer_id": 300}
        assert spec.activity.kept == 2700

    def test_copies_are_kept_without_a_key_and_quarantined_with_one(self, connection, tmp_path):
        rows = shop()
        copied = [*rows, *rows[:10]]
        without = self.spec(connection, tmp_path, write(tmp_path / "a.csv", copied))
        assert (without.activity.key, without.activity.duplicates, without.activity.quarantined) == (None, 10, {})
        keyed = [{"row_id": f"R{i % 3000}", **r} for i, r in enumerate(copied)]
        with_key = self.spec(connection, tmp_path, write(tmp_path / "b.csv", keyed))
        assert with_key.activity.quarantined == {"duplicate row_id": 10}

    def test_times_far_from_all_others_are_typing_errors(self, connection, tmp_path):
        rows = shop()
        rows[0]["ordered_at"], rows[1]["ordered_at"] = "1900-01-01 00:00:00", "2999-12-31 00:00:00"
        rows[2]["ordered_at"] = "2101-01-01 00:00:00"
        (profile,) = looked_at(connection, write(tmp_path / "orders.csv", rows))
        low, high = plausible_bounds(connection, profile)
        assert date(1900, 1, 2) <= low <= START.date()
        assert date(2024, 6, 1) < high <= date(2101, 1, 1)
        spec = assemble(connection, [profile], tmp_path / "p", Choices())
        assert spec.activity.quarantined == {"implausible ordered_at": 3}
        assert spec.decision("spine_anchor") < "2024-06-01"

    def test_files_without_time_or_with_a_row_each_know_the_future(self, connection, tmp_path):
        orders = write(tmp_path / "orders.csv", shop())
        people = [{"customer_id": f"C{i:04d}", "segment": "abc"[i % 3], "churned": i % 2} for i in range(150)]
        dated = [{**p, "signed_up_on": f"2023-{1 + i % 12:02d}-01"} for i, p in enumerate(people)]
        spec = self.spec(
            connection,
            tmp_path,
            write(tmp_path / "people.csv", people),
            orders,
            write(tmp_path / "accounts.csv", dated),
        )
        uses = {s.name: s.use for s in spec.sources}
        assert uses == {"orders": "events", "people": "stored", "accounts": "tenure"}
        assert spec.sources[0].is_activity
        made = {c.name for c in spec.features}
        assert "accounts_days_since_first" in made
        assert not [n for n in made if "segment" in n or "churned" in n or n.startswith("people")]
        assert any("may know the future" in trap for trap in spec.traps)

    def test_constant_and_fixed_columns_are_left_out(self, connection, tmp_path):
        path = write(
            tmp_path / "orders.csv",
            shop(),
            currency=lambda r: "EUR",
            country=lambda r: "ABCDE"[int(r["customer_id"][1:]) % 5],
        )
        spec = self.spec(connection, tmp_path, path)
        unused = {c.name: c.unused for c in spec.activity.columns if c.unused}
        assert unused["currency"] == "it is constant"
        assert "attribute" in unused["country"]

    def test_the_same_file_gives_the_same_specification(self, connection, tmp_path):
        path = write(tmp_path / "orders.csv", shop())
        first = self.spec(connection, tmp_path, path)
        with scratch_connection() as other:
            again = self.spec(other, tmp_path, path)
        assert (first.decisions, first.features, first.evidence) == (again.decisions, again.features, again.evidence)


class TestRhythm:
    def choose(self, span, choices=None, customers=500, days=None, gap=20.0, at_risk=300.0):
        first = datetime(2022, 1, 1, 9)
        activity = Activity(first, first + timedelta(days=span), customers, days or customers * 20, gap, gap * 1.5)
        return rhythm.choose(activity, choices or Choices(), "orders.csv", lambda *_: at_risk)

    @settings(max_examples=200, deadline=None)
    @given(st.integers(40, 3000), st.integers(1, 365), st.integers(0, 30), st.floats(1, 100_000))
    def test_whatever_is_chosen_fits_the_history(self, span, horizon, gap, at_risk):
        choices = Choices(horizon=f"{horizon}d", gap=f"{gap}d")
        try:
            made = self.choose(span, choices, at_risk=at_risk)
        except UserError as error:
            assert "too short" in error.what
            return
        label = horizon + gap
        labelled = (made.spine_anchor - made.spine_start).days - label
        assert labelled >= label - 1, "a training and a test label fit"
        assert made.windows[-1] == "all_time"
        assert len(made.windows) >= 2
        assert rhythm.days_of(made.step, "step") >= 1
        assert made.spine_start > date(2022, 1, 1)

    def test_a_year_of_retail(self):
        made = self.choose(373, Choices(horizon="90d", active_window="180d"), at_risk=2200)
        assert (made.step, made.windows) == ("14d", ("7d", "30d", "90d", "180d", "all_time"))
        assert made.spine_start == date(2022, 1, 31)
        assert not made.doubts

    def test_no_window_is_longer_than_the_history(self):
        assert "365d" not in self.choose(400, Choices(horizon="90d")).windows
        assert "365d" in self.choose(800, Choices(horizon="90d")).windows

    def test_the_default_horizon_follows_the_customers(self):
        assert self.choose(2000, gap=5.0).horizon == "30d"
        assert self.choose(2000, gap=25.0).horizon == "90d"
        assert self.choose(130, gap=25.0).horizon == "30d"

    def test_a_short_history_is_refused_with_a_horizon_that_fits(self):
        with pytest.raises(UserError, match="too short") as error:
            self.choose(150, Choices(horizon="90d"))
        horizon = error.value.hint.split("--horizon ")[1]
        self.choose(150, Choices(horizon=horizon))

    @pytest.mark.parametrize("text", ["90", "ninety", "-5d", "1 month", "", "3y", "1.5d"])
    def test_durations_are_checked(self, text):
        with pytest.raises(UserError, match="not a duration"):
            rhythm.check_choices(Choices(horizon=text))

    def test_lengths_of_zero_are_refused(self):
        with pytest.raises(UserError, match="no time at all"):
            rhythm.check_choices(Choices(step="0d"))
        rhythm.check_choices(Choices(gap="0d", step="1 month"))


REAL = {
    "online_retail/year_2009_2010.parquet": {
        "name": "purchases",
        "entity": "customer_id",
        "time": "invoice_ts",
        "quarantined": {"missing customer_id": 107_927},
        "reversals": 12_330,
        "derived": ["line_amount"],
    },
    "cdnow/CDNOW_master.txt.gz": {
        "name": "cdnow",
        "entity": "customer_id",
        "time": "event_date",
        "quarantined": {},
        "reversals": None,
        "derived": [],
    },
    "cdnow/CDNOW_sample.txt": {
        "name": "cdnow",
        "entity": "column_1",
        "time": "column_3",
        "quarantined": {},
        "reversals": None,
        "derived": [],
    },
}


@pytest.mark.parametrize("file", REAL)
def test_real_events(connection, shared_data, tmp_path, file):
    if not (shared_data / file).is_file():
        pytest.skip(f"{file} is not among the real data sets")
    spec = assemble(connection, looked_at(connection, shared_data / file), tmp_path / "p", Choices())
    source = spec.activity
    assert {
        "name": source.name,
        "entity": spec.entity,
        "time": source.time.name,
        "quarantined": source.quarantined,
        "reversals": source.reversal.rows if source.reversal else None,
        "derived": [d.name for d in source.derived],
    } == REAL[file]


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("telco/Telco-Customer-Churn.csv", "No file has a time column"),
        ("retail_retention/customer_retention_retail.csv.gz", "nearly every `custid` has a single row"),
    ],
)
def test_real_snapshots_are_refused_with_a_reason(connection, shared_data, tmp_path, file, message):
    if not (shared_data / file).is_file():
        pytest.skip(f"{file} is not among the real data sets")
    with pytest.raises(UserError, match=message):
        assemble(connection, looked_at(connection, shared_data / file), tmp_path / "p", Choices())


def test_real_linked_tables(connection, shared_data, tmp_path):
    names = ["accounts", "subscriptions", "feature_usage", "support_tickets", "churn_events"]
    paths = [shared_data / "ravenstack" / f"{name}.csv.gz" for name in names]
    if not all(path.is_file() for path in paths):
        pytest.skip("ravenstack is not among the real data sets")
    spec = assemble(connection, looked_at(connection, *paths), tmp_path / "p", Choices())
    assert spec.entity == "account_id"
    assert {s.name: s.use for s in spec.sources} == {
        "subscriptions": "events",
        "accounts": "tenure",
        "feature_usage": "events",
        "support_tickets": "events",
        "churn_events": "events",
    }
    risks = {c.meta["source"]: c.meta["leakage_risk"] for c in spec.features}
    assert risks["churn_events"] == "medium"
    assert not [c.name for c in spec.features if "churn_flag" in c.name]


@pytest.mark.parametrize(("largest", "scale"), [("12.34", 2), ("0.123456", 6), ("12345678901234.5", 2)])
def test_measures_keep_within_the_digits_that_are_exact(connection, tmp_path, largest, scale):
    def price(row):
        return int(row["order_id"][1:]) + 1 if row["quantity"] > 1 else largest

    path = write(tmp_path / "orders.csv", shop(), unit_price=price)
    (found,) = looked_at(connection, path)
    made = next(s for s in roles.column_specs(connection, found) if s.name == "unit_price")
    assert (made.role, made.scale) == ("number", scale)
