"""Rows: keys, copies, identifiers, event times, versions, reversals, totals; cases with values computed by hand."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.python.profile.test_columns import lines


def events(count: int = 120, customers: int = 12, extra: str = "") -> str:
    """Events of a few customers, two a day."""
    start = datetime(2024, 1, 1, 8)
    rows = [f"K{n % customers:03d},{start + timedelta(hours=12 * n)},{n % 17 + 0.5}{extra}" for n in range(count)]
    return lines("customer_id,ordered_at,amount" + (",kind" if extra else ""), *rows)


class TestKeys:
    def test_a_file_appended_twice_still_has_its_key(self, profiled):
        rows = [f"{n},C{n % 9},{n * 1.5}" for n in range(1, 96)]
        table = profiled(tables={"orders": lines("order_id,customer_id,amount", *rows, *rows)}).tables[0]
        assert (table.rows, table.different_rows) == (190, 95)
        (key,) = table.keys
        assert (key.columns, key.rows, key.distinct, key.copies, key.is_named) == (("order_id",), 190, 95, 95, True)

    def test_a_pair_tells_lines_apart(self, profiled):
        rows = [f"{n // 3},{n % 3},{n % 5}" for n in range(90)]
        table = profiled(tables={"lines": lines("order_id,line_no,quantity", *rows)}).tables[0]
        assert table.keys[0].columns == ("order_id", "line_no")

    def test_three_columns(self, profiled):
        rows = [f"s{a},m{b},{c},{(a + b * c) % 7}" for a in range(5) for b in range(6) for c in range(1, 4)]
        table = profiled(tables={"results": lines("shop_id,member_id,lap_no,points", *rows)}).tables[0]
        assert table.keys[0].columns == ("shop_id", "member_id", "lap_no")

    @pytest.mark.parametrize("name", ["CLIENTNUM", "CUSTNUM", "ACCTNUM", "Phone"])
    def test_one_column_that_differs_in_every_row(self, profiled, name):
        rows = [f"{7_000_000 + 137 * n},{n % 4},{n % 50}" for n in range(150)]
        table = profiled(tables={"cards": lines(f"{name},plan,age", *rows)}).tables[0]
        assert [key.columns for key in table.keys] == [(name.lower(),)]
        assert table.keys[0].rows == 150

    def test_no_key_at_all(self, profiled):
        table = profiled(tables={"gym": lines("plan,age", *(f"{n % 3},{n % 40}" for n in range(150)))}).tables[0]
        assert table.keys == ()
        assert table.different_rows == 120


class TestIdentifiers:
    def test_how_values_come_back(self, profiled):
        table = profiled(tables={"orders": events()}).tables[0]
        facts = table.identifier("customer_id")
        # 120 rows of 12 customers; each comes every sixth day, ten times
        assert (facts.rows, facts.distinct, facts.rows_per_value) == (120, 12, 10)
        assert (facts.days_per_value, facts.several_days, facts.person) == (10, 1, 3)

    def test_a_code_for_nobody_stands_out(self, profiled):
        rows = [f"{'guest' if n % 3 == 0 else f'K{n % 32}'},2024-01-{n % 28 + 1:02d},{n}" for n in range(190)]
        top = profiled(tables={"orders": lines("customer_id,ordered_at,amount", *rows)}).tables[0].identifiers[0].top
        assert (top[0].value, top[0].rows) == ("guest", 64)
        assert top[1].rows < 10

    def test_attributes_that_never_change(self, profiled):
        rows = [f"K{n % 8},2024-01-{n % 28 + 1:02d},{'DE' if n % 8 < 4 else 'FR'},{n % 5}" for n in range(160)]
        table = profiled(tables={"visits": lines("customer_id,day,country,pages", *rows)}).tables[0]
        assert table.fixed["customer_id"]["country"] == 1
        assert table.fixed["customer_id"]["pages"] == 0

    def test_codes_without_a_digit(self, profiled):
        rows = [f"K{n % 9},{'POST' if n % 50 == 0 else f'P{n % 40:03d}'},{n}" for n in range(200)]
        table = profiled(tables={"items": lines("customer_id,product_code,price", *rows)}).tables[0]
        assert table.odd_codes == {"product_code": (4, ("POST",))}


def role(profiled, header: str, rows: list[str]):
    return profiled(tables={"t": lines(header, *rows)}).tables[0].time


DAYS = [datetime(2024, 1, 1) + timedelta(days=n % 90, hours=n % 24) for n in range(200)]


class TestTimes:
    def test_the_earlier_of_two_times(self, profiled):
        rows = [f"K{n % 9},{day + timedelta(days=9)},{day}" for n, day in enumerate(DAYS)]
        time = role(profiled, "customer_id,delivered_at,purchased_at", rows)
        assert (time.column, time.others) == ("purchased_at", ("delivered_at",))

    def test_a_deadline_is_said_to_be_one(self, profiled):
        rows = [f"o{n},{day + timedelta(days=6)}" for n, day in enumerate(DAYS)]
        time = role(profiled, "order_id,ship_by_date", rows)
        assert (time.column, time.is_deadline) == ("ship_by_date", True)
        rows = [f"o{n},{day + timedelta(days=6)},{day}" for n, day in enumerate(DAYS)]
        time = role(profiled, "order_id,ship_by_date,placed", rows)
        assert (time.column, time.is_deadline) == ("placed", False)

    def test_a_birth_date_is_no_time_of_the_row(self, profiled):
        rows = [f"K{n},{1950 + n % 50}-05-{n % 28 + 1:02d}" for n in range(60)]
        assert role(profiled, "customer_id,DOB", rows) is None

    @pytest.mark.parametrize("late", [1, 10, 150])
    def test_an_arrival_counts_however_late_rows_are(self, profiled, late):
        rows = [
            f"K{n % 9},{day},{day + (timedelta(days=60) if n < late else timedelta(hours=2))}"
            for n, day in enumerate(DAYS)
        ]
        assert role(profiled, "customer_id,ordered_at,loaded_at", rows).available == "loaded_at"

    def test_the_date_of_one_bulk_load_is_no_arrival(self, profiled):
        rows = [f"K{n % 9},{day},2026-03-0{n % 2 + 1}" for n, day in enumerate(DAYS)]
        assert role(profiled, "customer_id,ordered_at,loaded_at", rows).available == ""

    def test_an_arrival_before_the_event_is_none(self, profiled):
        rows = [f"K{n % 9},{day},{day - timedelta(hours=2)}" for n, day in enumerate(DAYS)]
        assert role(profiled, "customer_id,ordered_at,available_at", rows).available == ""

    def test_an_end_makes_a_span(self, profiled):
        rows = [
            f"s{n},c{n},{day},{day + timedelta(days=40) if n % 3 else ''},{day + timedelta(days=41) if n % 3 else ''},"
            f"{day + timedelta(days=70)}"
            for n, day in enumerate(DAYS)
        ]
        time = role(profiled, "id,customer_id,Created,Canceled At,cancel_recorded_at,Current Period End", rows)
        assert (time.column, time.ended, time.ended_available) == ("created", "canceled_at", "cancel_recorded_at")
        assert time.available == ""

    def test_versions_of_a_row(self, profiled):
        rows = []
        for n in range(120):
            ordered = datetime(2024, 1, 1) + timedelta(days=n)
            for version in range(3 if n < 20 else 1):
                rows.append(
                    f"{9000 + n},K{n % 30},{ordered},{n + 1000 * version},{ordered + timedelta(days=20 * version)}"
                )
        table = profiled(tables={"orders": lines("order_id,customer_id,ordered_at,amount,updated_at", *rows)}).tables[0]
        versions = table.versions
        assert (versions.key, versions.changed_at, versions.keys, versions.several) == (
            "order_id",
            "updated_at",
            120,
            20,
        )
        assert table.time.available == ""

    def test_pairs_of_times(self, profiled):
        rows = [f"K{n % 9},{day + timedelta(days=2 if n < 190 else -1)},{day}" for n, day in enumerate(DAYS)]
        (pair,) = profiled(tables={"t": lines("customer_id,paid_at,ordered_at", *rows)}).tables[0].time_pairs
        assert (pair.first, pair.second, pair.both, pair.ordered, pair.equal) == ("ordered_at", "paid_at", 200, 190, 0)
        assert (pair.lag_median, pair.ordered_share) == (2, 0.95)


def test_reversals(profiled):
    rows = []
    for n in range(400):
        back = n % 8 == 0
        rows.append(f"{'C' if back else ''}{5000 + n},K{n % 20},2024-01-{n % 28 + 1:02d},{-1 if back else n % 5 + 1}")
    reversal = profiled(tables={"sales": lines("invoice_no,customer_id,day,quantity", *rows)}).tables[0].reversal
    assert (reversal.negative, reversal.prefixes, reversal.rows) == (("quantity",), (("invoice_no", "C"),), 50)


def test_totals_have_no_customer(profiled):
    rows = [
        f"{c},{k},2023-0{m}-01,{(m * k) % 7 + 1}" for c in ("DE", "FR", "ES") for k in (1, 2, 3) for m in range(1, 10)
    ]
    table = profiled(tables={"signups": lines("country_code,channel,day,subscription_count", *rows)}).tables[0]
    assert "`subscription_count`" in table.totals.reason
    assert profiled(tables={"orders": events()}).tables[0].totals is None


def test_copies_with_shifted_times(profiled):
    rows = []
    for n in range(300):
        day = datetime(2012, 1, 1) + timedelta(days=n)
        content = f"{n * 1.37 + 1:.2f},{n * 2.11 + 3:.2f},{n % 5},{'abc'[n % 3]}"
        rows += [f"c{n},{day.date()},{content}"]
        rows += [f"d{n},{(day + timedelta(days=1461)).date()},{content}"] * (n < 100)
    shifted = (
        profiled(tables={"cards": lines("card,created,spent,limit_left,visits,tier", *rows)}).tables[0].shifted_copies
    )
    assert (shifted.rows, shifted.days, shifted.share_of_pairs) == (100, 1461, 1)


def test_the_timeline(profiled):
    rows = [f"K{n % 9},{datetime(2024, 1, 1) + timedelta(days=n)}" for n in range(120) if not 50 <= n < 60] * 3
    timeline = profiled(tables={"visits": lines("customer_id,visited_at", *rows)}).tables[0].timeline
    assert (str(timeline.first), str(timeline.last), timeline.days, timeline.days_with_rows) == (
        "2024-01-01",
        "2024-04-29",
        120,
        110,
    )
    assert [(str(gap.first), gap.days) for gap in timeline.gaps] == [("2024-02-20", 10)]
    assert [period.rows for period in timeline.periods] == [93, 57, 93, 87]
