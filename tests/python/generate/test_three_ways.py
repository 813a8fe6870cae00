"""A table of customers with an outcome and orders, attributes with events, and coverage: values by hand."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.python.command_line import rows
from tests.python.generate.building import built
from tests.python.plan.planning import write_tables

ORDERS_OF_M1 = [  # at T = 2024-05-01, the last but one is not seen: it happened at T
    ("2024-01-10 09:00:00", 10), ("2024-04-10 12:00:00", 20), ("2024-04-30 23:00:00", 5),
    ("2024-05-01 00:00:00", 100), ("2024-05-09 08:00:00", 50),
]  # fmt: skip


def orders() -> list[dict]:
    made = [("M1", at, amount) for at, amount in ORDERS_OF_M1]
    made += [
        (f"M{n}", f"2024-{month:02d}-{n:02d} 10:00:00", n)
        for n in range(2, 29)
        for month in range(1, 5)
        if n % 9 or month < 3
    ]
    return [
        {"order_id": f"O{number}", "member_id": who, "ordered_at": at, "amount": amount}
        for number, (who, at, amount) in enumerate(made)
    ]


def members(**more) -> list[dict]:
    return [
        {"member_id": f"M{n}", "joined": f"2023-{1 + n % 12:02d}-02", "birth_date": f"{1960 + n}-05-01",
         "region": "north" if n % 2 else "south", "seats": n % 5, "churned": int(n % 9 == 0)}
        | {name: make(n) for name, make in more.items()}
        for n in range(1, 29)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def dated(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("as_of")
    paths = write_tables(folder / "data", members=members(), orders=orders())
    return built(folder / "club", *paths, outcome="churned", as_of="2024-05-01")


class TestOutcomeBesideOrders:
    def test_as_of_the_given_date(self, dated) -> None:
        ((count, recent, amount, since, region, seats, age, joined),) = rows(
            dated,
            "select orders_count_all_time, orders_count_30d, orders_amount_sum_all_time, orders_days_since_last, "
            "region, seats, age_years, days_since_joined from gold.gld_customer_features where member_id = 'M1'",
        )
        # The window of 30 days begins at 2024-04-01, and ends before 2024-05-01.
        assert (count, recent, float(amount)) == (3, 2, 35.0)
        assert since == pytest.approx(1 / 24)
        assert (region, seats) == ("north", 1)
        assert age == pytest.approx((date(2024, 5, 1) - date(1961, 5, 1)).days / 365.25)
        assert joined == (date(2024, 5, 1) - date(2023, 2, 2)).days == 454

    def test_every_customer_has_its_outcome_at_that_time(self, dated) -> None:
        labels = rows(dated, "select member_id, cast(feature_timestamp as varchar), churned from gold.gld_churn_labels")
        assert sorted(labels) == sorted((f"M{n}", "2024-05-01 00:00:00", int(n % 9 == 0)) for n in range(1, 29))
        assert rows(dated, "select count(*) from gold.gld_training_set") == [(28,)]
        # Who has not churned is scored.
        assert rows(dated, "select count(*) from gold.gld_scoring_set") == [(25,)]

    def test_without_a_date_as_of_the_end_of_the_events(self, tmp_path) -> None:
        paths = write_tables(tmp_path / "data", members=members(), orders=orders())
        project = built(tmp_path / "club", *paths, outcome="churned")
        ((at, count, amount),) = rows(
            project,
            "select cast(feature_timestamp as varchar), orders_count_all_time, orders_amount_sum_all_time "
            "from gold.gld_customer_features where member_id = 'M1'",
        )
        assert (at, count, float(amount)) == ("2024-05-10 00:00:00", 5, 185.0)
        assert "--as-of" in (project / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def panel(tmp_path_factory) -> Path:
    """Members of whom some have churned at a date, with visits and with a table of what may be overwritten."""
    folder = tmp_path_factory.mktemp("panel")
    paths = write_tables(
        folder / "data",
        members=[
            {"member_id": f"M{n}", "joined": f"2023-01-{1 + n % 9:02d}", "region": "ns"[n % 2],
             "churned": int(n % 3 == 0), "churned_on": f"2023-{4 + n % 8:02d}-15" if n % 3 == 0 else ""}
            for n in range(1, 61)
        ],
        visits=[
            {"visit_id": f"V{n}", "member_id": f"M{1 + n % 60}",
             "visited_at": f"2023-{1 + n // 60 % 12:02d}-{6 + n % 20:02d}"}
            for n in range(720)
        ],
    )  # fmt: skip
    return built(folder / "club", *paths, outcome="churned", horizon="30d", step="30d")


class TestDateOfTheOutcome:
    def test_churned_is_whose_date_lies_in_the_label_window(self, panel) -> None:
        labels = rows(
            panel, "select member_id, feature_timestamp, churned from gold.gld_churn_labels where churned is not null"
        )
        assert len(labels) > 200
        for who, at, churned in labels:
            n = int(who[1:])
            left = date(2023, 4 + n % 8, 15) if n % 3 == 0 else None
            assert left is None or at.date() <= left, "at risk is who has not churned before"
            assert churned == int(left is not None and 0 <= (left - at.date()).days < 30), (who, at)
        assert sum(churned for *_, churned in labels) >= 5

    def test_constant_attributes_stand_beside_windows(self, panel) -> None:
        wrong = rows(
            panel,
            "select count(*) from gold.gld_customer_features "
            "where member_region != case when cast(substr(member_id, 2) as int) % 2 = 1 then 's' else 'n' end",
        )
        assert wrong == [(0,)]
        for who, at, tenure in rows(
            panel, "select member_id, feature_timestamp, member_days_since_joined from gold.gld_customer_features"
        ):
            assert tenure == (at.date() - date(2023, 1, 1 + int(who[1:]) % 9)).days
        columns = [name for (name,) in rows(panel, "select column_name from (describe gold.gld_customer_features)")]
        assert "visits_count_30d" in columns
        assert not [name for name in columns if "churn" in name]


@pytest.fixture(scope="module")
def subscriptions(tmp_path_factory) -> Path:
    """Subscriptions: A cancels, B upgrades the same day, C has two that overlap, D comes back; others fill the year."""
    folder = tmp_path_factory.mktemp("spans")
    by_hand = [
        ("A", "2023-01-10", "2023-06-20"),
        ("B", "2023-01-10", "2023-06-20"), ("B", "2023-06-20", ""),
        ("C", "2023-01-10", "2023-06-20"), ("C", "2023-03-01", "2023-11-05"),
        ("D", "2023-01-10", "2023-06-20"), ("D", "2023-08-01", ""),
    ]  # fmt: skip
    filling = [
        (f"F{n}", f"2023-{1 + n % 12:02d}-03", f"2023-{1 + n % 12:02d}-28" if n % 4 == 0 else "") for n in range(60)
    ]
    subscriptions = [
        {"id": f"S{number}", "customer_id": who, "plan": "xy"[number % 2], "created": began, "cancelled": ended}
        for number, (who, began, ended) in enumerate([*by_hand, *filling])
    ]
    (path,) = write_tables(folder / "data", subscriptions=subscriptions)
    return built(folder / "saas", path, horizon="30d", step="1d")


class TestSubscriptions:
    def labels(self, project: Path, who: str, *days: str) -> list[int | None]:
        """The label of a customer at midnight of some days; None where it is not at risk."""
        known = dict(
            rows(
                project,
                "select strftime(feature_timestamp, '%m-%d'), churned from gold.gld_churn_labels "
                f"where customer_id = '{who}'",
            )
        )
        return [known.get(day) for day in days]

    def test_a_cancellation_is_churn_in_the_30_days_before_it(self, subscriptions) -> None:
        # 05-22 + 30 days = 06-21: the window holds 06-20; that of 05-21 ends before it.
        assert self.labels(subscriptions, "A", "05-21", "05-22", "06-20", "06-21") == [0, 1, 1, None]

    def test_an_upgrade_is_no_churn(self, subscriptions) -> None:
        assert self.labels(subscriptions, "B", "05-21", "05-22", "06-20", "06-21", "08-10") == [0, 0, 0, 0, 0]

    def test_an_overlapping_subscription_is_no_churn_until_the_last_ends(self, subscriptions) -> None:
        assert self.labels(subscriptions, "C", "05-22", "06-20", "06-21", "10-06", "10-07") == [0, 0, 0, 0, 1]

    def test_who_comes_back_later_has_churned_and_is_at_risk_again(self, subscriptions) -> None:
        assert self.labels(subscriptions, "D", "05-22", "06-20", "07-10", "08-02") == [1, 1, None, 0]


def test_a_customer_of_two_columns(tmp_path) -> None:
    """Values that would be the same when only joined stay apart."""
    shops = ("a", "a|b", "a~")
    visits = [
        {"shop": shops[n % 3], "no": ("b|1", "1", "2")[n % 9 // 3], "visited_at": str(date.fromordinal(738000 + n))}
        for n in range(360)
    ]
    people = [{"shop": s, "no": n, "region": f"of {s}"} for s in shops for n in ("b|1", "1", "2")]
    paths = write_tables(tmp_path / "data", visits=visits, people=people)
    project = built(tmp_path / "club", *paths, entity=("shop", "no"), horizon="30d")
    made = rows(project, "select shop_no, count(*) from bronze.brz_club__visits group by all order by all")
    keys = ("a|1", "a|2", "a|b~!1", "a~!b|1", "a~!b|2", "a~!b|b~!1", "a~~|1", "a~~|2", "a~~|b~!1")
    assert made == sorted((key, 40) for key in keys)
    attributes = rows(project, "select distinct shop_no, people_region from gold.gld_customer_features order by 1")
    regions = {"a": "of a", "a~!b": "of a|b", "a~~": "of a~"}
    assert attributes == [(key, regions[key.split("|")[0]]) for key in sorted(keys)]
