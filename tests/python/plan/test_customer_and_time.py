"""Who the customer is, when a row happened, and which rows bronze and silver keep."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest

from python_ml.errors import UserError
from tests.python.plan.planning import day, examined, plan_of, proposed, write_tables
from tests.python.raw_shop import START, shop, write


def activity(plan):
    return plan.sources[0]


class TestEntityAndTime:
    def test_a_shop(self, tmp_path):
        examination = examined(write(tmp_path / "orders.csv", shop()))
        (source,) = examination.planned(proposed(examination)).plan.sources
        assert (source.name, source.entity, source.time) == ("orders", "customer_id", "ordered_at")
        assert examination.profile.table("orders").identifier("customer_id").rows_per_value == pytest.approx(20, abs=1)

    def test_names_of_another_language_and_file(self, tmp_path):
        rows = [
            {"Beleg": r["order_id"], "Kunde": r["customer_id"], "Datum": r["ordered_at"], "Betrag": r["unit_price"]}
            for r in shop()
        ]
        source = activity(plan_of(write(tmp_path / "export_2023.csv", rows, delimiter=";")))
        assert (source.own_entity.raw_name, source.own_time.raw_name) == ("Kunde", "Datum")

    def test_a_compound_name_and_a_time_of_day_of_its_own(self, tmp_path):
        rows = [
            {"Kundennummer": f"K{r['customer_id']}", "Datum": f"{r['ordered_at'][:10]}", "Uhrzeit": f"{8 + n % 12}:30",
             "Umsatz": r["unit_price"]}
            for n, r in enumerate(shop())
        ]  # fmt: skip
        plan = plan_of(write(tmp_path / "umsatz.csv", rows, delimiter=";"))
        source = activity(plan)
        assert (source.own_entity.raw_name, source.own_time.reading.clock_column) == ("Kundennummer", "Uhrzeit")
        assert "uhrzeit" not in {m.name for m in source.measures}
        assert plan.unused == ()

    def test_without_any_names_the_values_decide(self, tmp_path):
        path = tmp_path / "x.csv"
        draw = random.Random(1)
        path.write_text(
            "".join(f"{draw.randrange(200):05d},2023{1 + n % 12:02d}{1 + n % 28:02d},{n % 7}.5\n" for n in range(3000))
        )
        plan = plan_of(path)
        assert (activity(plan).own_entity.raw_name, activity(plan).own_time.raw_name) == ("column_1", "column_2")
        assert any("column_1" in review for review in plan.reviews)

    def test_between_two_unnamed_codes_nobody_guesses(self, tmp_path):
        rows = [{"aa": r["customer_id"], "bb": f"P{i % 300}", "t": r["ordered_at"]} for i, r in enumerate(shop())]
        with pytest.raises(UserError, match="No column identifies the customers") as error:
            plan_of(write(tmp_path / "x.csv", rows))
        assert "--entity" in error.value.hint
        assert "aa" in error.value.hint

    def test_the_earlier_of_two_times_is_when_it_happened(self, tmp_path):
        rows = [
            {
                "client": r["customer_id"],
                "closed_on": f"{datetime.fromisoformat(r['ordered_at']) + timedelta(days=3):%Y-%m-%d %H:%M:%S}",
                "opened_on": r["ordered_at"],
            }
            for r in shop()
        ]
        plan = plan_of(write(tmp_path / "tickets.csv", rows))
        assert activity(plan).time == "opened_on"
        assert plan.outcome.definition == "inactivity", "a ticket that is closed ends nobody's coverage"
        assert any("`closed_on`" in notice for notice in plan.notices)

    def test_a_birthday_is_not_when_it_happened(self, tmp_path):
        rows = [{"birth_date": f"19{50 + i % 40}-05-01", **r} for i, r in enumerate(shop())]
        assert activity(plan_of(write(tmp_path / "orders.csv", rows))).time == "ordered_at"

    def test_an_arrival_time_is_used_when_it_follows_the_event(self, tmp_path):
        def arrives(row):
            return f"{datetime.fromisoformat(row['ordered_at']) + timedelta(days=2):%Y-%m-%d %H:%M:%S}"

        assert activity(plan_of(write(tmp_path / "a.csv", shop(), loaded_at=arrives))).available == "loaded_at"
        bulk = write(tmp_path / "b.csv", shop(), loaded_at=lambda row: "2025-01-01 00:00:00")
        assert activity(plan_of(bulk)).available == ""

    def test_bare_words_of_sql_get_names_that_say_more(self, tmp_path):
        rows = [{"user": r["customer_id"], "at": r["ordered_at"], "revenue": r["unit_price"]} for r in shop()]
        plan = plan_of(write(tmp_path / "visits.csv", rows))
        assert (plan.entity, activity(plan).time) == ("user_id", "event_at")

    def test_flags_overrule(self, tmp_path):
        path = write(tmp_path / "orders.csv", shop(), seen_on=lambda r: r["ordered_at"][:10])
        source = activity(plan_of(path, entity=("Product_Code",), time="seen_on"))
        assert (source.entity, source.time) == ("product_code", "seen_on")

    def test_naming_the_customer_that_is_chosen_anyway_gives_the_same_plan(self, tmp_path):
        path = write(tmp_path / "orders.csv", shop())
        alone, named = plan_of(path), plan_of(path, entity=("customer_id",))
        assert alone.sources == named.sources
        assert [(s.name, s.value) for s in alone.settings] == [(s.name, s.value) for s in named.settings]

    def test_files_agree_on_the_customer(self, tmp_path):
        orders = write(tmp_path / "orders.csv", shop())
        tickets = [{"ticket_id": i, "agent_user": f"a{i % 9}", "customer_id": r["customer_id"], "at": r["ordered_at"]}
                   for i, r in enumerate(shop(500, seed=3))]  # fmt: skip
        plan = plan_of(orders, write(tmp_path / "tickets.csv", tickets))
        assert [s.entity for s in plan.sources] == ["customer_id", "customer_id"]

    def test_a_code_per_order_is_no_customer_where_another_comes_back(self, tmp_path):
        """As in shops that give each order a customer id of its own and one that is unique per person."""
        orders = [
            {"order_id": f"O{n}", "customer_id": f"c{n}", "ordered_at": day(n % 500), "price": n % 9}
            for n in range(1000)
        ]
        people = [
            {"customer_id": f"c{n}", "customer_unique_id": f"u{n % 300}", "city": "abc"[n % 3]} for n in range(1000)
        ]
        plan = plan_of(*write_tables(tmp_path / "data", orders=orders, customers=people))
        assert plan.entity == "customer_unique_id"
        assert [s.entity for s in plan.sources if s.use == "events"] == ["customer_unique_id"]

    def test_a_key_of_two_columns(self, tmp_path):
        rows = [
            {"shop": "NSE"[n % 3], "member_no": n % 40, "visited_at": day(n * 37 % 500), "spent": n % 9}
            for n in range(2400)
        ]
        people = [{"shop": s, "member_no": n, "tier": "ab"[n % 2]} for s in "NSE" for n in range(40)]
        paths = write_tables(tmp_path / "data", visits=rows, people=people)
        plan = plan_of(*paths, entity=("shop", "member_no"))
        assert plan.entity == "shop_member_no"
        assert {s.name: s.use for s in plan.sources} == {"visits": "events", "people": "attributes"}
        assert plan.source("visits").counts.kept == 2400
        assert plan.source("people").key == ("shop", "member_no")
        for source in plan.sources:
            (joined,) = source.derived
            assert (joined.name, joined.type) == (source.entity, "text")

    def test_totals_have_no_customer(self, tmp_path):
        rows = [{"month": f"{2015 + n // 12}-{1 + n % 12:02d}-01", "customers": 500 + n, "revenue": 900 + 7 * n}
                for n in range(96)]  # fmt: skip
        with pytest.raises(UserError, match="No column identifies the customers"):
            plan_of(*write_tables(tmp_path / "data", totals=rows))


class TestRows:
    def test_rows_without_a_customer_are_counted(self, tmp_path):
        rows = [{**r, "customer_id": "" if i % 10 == 0 else r["customer_id"]} for i, r in enumerate(shop())]
        counts = activity(plan_of(write(tmp_path / "orders.csv", rows))).counts
        assert counts.quarantined == {"missing customer_id": 300}
        assert counts.kept == 2700

    def test_a_code_for_nobody_is_quarantined_and_reported(self, tmp_path):
        rows = [{**r, "customer_id": "guest" if i % 10 == 0 else r["customer_id"]} for i, r in enumerate(shop())]
        plan = plan_of(write(tmp_path / "orders.csv", rows))
        assert activity(plan).nobody == ("guest",)
        assert activity(plan).counts.quarantined == {"missing customer_id": 300}
        assert any("300 of 3,000 rows are quarantined" in notice for notice in plan.notices)

    def test_copies_are_kept_without_a_key_and_quarantined_with_one(self, tmp_path):
        rows = shop()
        copied = [*rows, *rows[:10]]
        plan = plan_of(write(tmp_path / "a.csv", copied))
        without = activity(plan)
        assert (without.key, without.counts.copies, without.counts.quarantined) == ((), 10, {})
        assert any("10 rows are exact copies" in notice and "they are kept" in notice for notice in plan.notices)
        keyed = [{"row_id": f"R{i % 3000}", **r} for i, r in enumerate(copied)]
        with_key = activity(plan_of(write(tmp_path / "b.csv", keyed)))
        assert with_key.counts.quarantined == {"duplicate row_id": 10}

    def test_times_far_from_all_others_are_typing_errors(self, tmp_path):
        rows = shop()
        rows[0]["ordered_at"], rows[1]["ordered_at"] = "1900-01-01 00:00:00", "2999-12-31 00:00:00"
        rows[2]["ordered_at"] = "2101-01-01 00:00:00"
        plan = plan_of(write(tmp_path / "orders.csv", rows))
        source = activity(plan)
        assert "1900-01-02" <= plan.setting("plausible_from") <= str(START.date())
        assert "2024-06-01" < plan.setting("plausible_to") <= "2101-01-01"
        assert source.counts.quarantined == {"implausible ordered_at": 3}
        assert plan.setting("spine_anchor") < "2024-06-01"

    def test_reversals_are_no_activity(self, tmp_path):
        rows = [
            {**r, "order_id": f"C{i}", "quantity": -r["quantity"]} if i % 20 == 0 else {**r, "order_id": f"{i // 2}"}
            for i, r in enumerate(shop())
        ]
        plan = plan_of(write(tmp_path / "orders.csv", rows))
        reversal = activity(plan).reversal
        assert reversal.condition == "quantity < 0 or order_id like 'C%'"
        assert (reversal.rows, reversal.name) == (150, "returns")
        assert "returns_line_amount_sum_30d" in {c.name for c in plan.features}
        assert any("150 rows are reversals" in notice for notice in plan.notices)


class TestValues:
    def test_money_is_computed_where_only_its_parts_are_there(self, tmp_path):
        plan = plan_of(write(tmp_path / "orders.csv", shop()), folder=tmp_path / "my shop")
        assert plan.name == "my_shop"
        assert activity(plan).derived[0].expression == "quantity * unit_price"
        used = {m.name: m.aggregates for m in activity(plan).measures}
        assert used["line_amount"] == ("sum", "mean", "max", "stddev", "last", "last_per_mean")
        assert used["unit_price"] == ("mean", "min", "max")
        assert used["order_id"] == ("nunique",)

    def test_a_total_is_not_computed_twice(self, tmp_path):
        path = write(tmp_path / "orders.csv", shop(), total=lambda r: round(r["quantity"] * float(r["unit_price"]), 2))
        plan = plan_of(path)
        assert activity(plan).derived == ()
        assert {m.name: m.aggregates for m in activity(plan).measures}["total"][0] == "sum"

    def test_constant_and_fixed_columns_are_left_out(self, tmp_path):
        path = write(
            tmp_path / "orders.csv",
            shop(),
            currency=lambda r: "EUR",
            country=lambda r: "ABCDE"[int(r["customer_id"][1:]) % 5],
        )
        plan = plan_of(path)
        unused = {c.name: c.unused for c in activity(plan).columns if c.unused}
        assert unused["currency"] == "it is constant"
        assert "attribute" in unused["country"]
        assert {name for name, _, _ in plan.unused} >= {"orders.currency", "orders.country"}

    def test_personal_columns_become_no_features(self, tmp_path):
        path = write(
            tmp_path / "orders.csv",
            shop(),
            mail=lambda r: f"{r['customer_id'].lower()}@example.com",
            reached=lambda r: f"+49 30 1{r['customer_id'][1:]}",
        )
        unused = {c.name: c.unused for c in activity(plan_of(path)).columns}
        assert unused["mail"].startswith("personal data")
        assert unused["reached"].startswith("personal data")

    def test_a_running_total_gets_its_last_value_and_no_sum(self, tmp_path):
        rows = [
            {"row_id": n, "member_id": f"M{n % 50}", "measured_at": day(n % 500), "points": n // 50}
            for n in range(2000)
        ]
        (measure,) = plan_of(*write_tables(tmp_path / "d", standings=rows)).sources[0].measures
        assert (measure.name, measure.aggregates) == ("points", ("last", "min", "max"))

    def test_the_same_file_gives_the_same_plan(self, tmp_path):
        path = write(tmp_path / "orders.csv", shop())
        assert plan_of(path) == plan_of(path)
