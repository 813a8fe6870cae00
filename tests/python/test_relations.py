"""Keys between files: found by names and values, and not by coincidence."""

from __future__ import annotations

import csv
import random
from datetime import timedelta
from pathlib import Path

import pytest

from python_ml.errors import UserError
from python_ml.onboarding.assembly import assemble
from python_ml.onboarding.examination import DataArgument, examine
from python_ml.onboarding.key_names import is_named_after, name_score, subject
from python_ml.onboarding.linking import relate, way
from python_ml.onboarding.reading import scratch_connection
from python_ml.onboarding.relations import discover
from python_ml.onboarding.rhythm import Choices
from tests.python.raw_chain import START, chain


@pytest.fixture
def connection():
    with scratch_connection() as opened:
        yield opened


def write(folder: Path, **tables: list[dict]) -> list[DataArgument]:
    """Write tables as CSV."""
    made = []
    for name, rows in tables.items():
        path = folder / f"{name}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        made.append(DataArgument(path))
    return made


def found(connection, arguments: list[DataArgument], *given: str) -> dict[tuple[str, str], object]:
    """Relations by what they connect."""
    relations = discover(connection, examine(connection, arguments), given)
    return {(f"{r.child}.{r.child_column}", f"{r.parent}.{r.parent_column}"): r for r in relations.found}


def day(number: int) -> str:
    return f"{START + timedelta(days=number):%Y-%m-%d}"


class TestNames:
    @pytest.mark.parametrize(
        ("column", "table", "expected"),
        [
            ("order_id", "orders", True),
            ("order_id", "raw_app__orders", True),
            ("OrderNo", "app_orders", True),
            ("id", "orders", False),
            ("customer_id", "orders", False),
            ("app_order_id", "orders", False),
        ],
    )
    def test_a_table_and_its_own_key(self, column, table, expected):
        assert is_named_after(column, table) is expected

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("customer_id", ("customer",)),
            ("CustNo", ("customer",)),
            ("custid", ("customer",)),
            ("id", ()),
            ("companies", ("company",)),
            ("order_status", ("order", "status")),
            ("billing address id", ("billing", "address")),
        ],
    )
    def test_subject(self, name, expected):
        assert subject(name) == expected

    def test_what_points_at_what(self):
        assert name_score("customer_id", "customer_id", "people") == 1
        assert name_score("customer_id", "id", "customers") == 0.95
        assert name_score("cust_no", "id", "app_customers") == 0.95
        assert name_score("billing_customer_id", "id", "customers") == 0.8
        assert name_score("billing_customer_id", "customer_id", "people") == 0.8
        assert name_score("id", "id", "customers") == 0
        assert name_score("status_id", "id", "customers") == 0
        assert name_score("customer_id", "product_id", "products") == 0


class TestDiscovery:
    def test_small_integers_lie_in_every_running_number_and_mean_nothing(self, connection, tmp_path):
        draw = random.Random(1)
        arguments = write(
            tmp_path,
            customers=[{"id": n, "signup": day(n % 300)} for n in range(1, 1001)],
            visits=[
                {
                    "id": n,
                    "customer_id": draw.randrange(1, 1001),
                    "status_id": draw.randrange(1, 6),
                    "score": draw.randrange(1, 500),
                    "visited_at": day(draw.randrange(400)),
                }
                for n in range(1, 2001)
            ],
        )
        assert set(found(connection, arguments)) == {("visits.customer_id", "customers.id")}

    def test_the_same_name_without_the_same_values_is_refused_and_told(self, connection, tmp_path):
        arguments = write(
            tmp_path,
            orders=[{"order_id": f"A{n}", "customer_id": f"C{n % 50}", "ordered_at": day(n)} for n in range(400)],
            parcels=[{"parcel_id": n, "order_id": f"X{n}", "sent_at": day(n % 300)} for n in range(400)],
        )
        relations = discover(connection, examine(connection, arguments))
        assert relations.found == ()
        assert "only 0 of its 400 values are found there" in relations.refused[0]

    @pytest.mark.parametrize(
        ("make", "spelling"),
        [
            (str, "exact"),
            (lambda n: f"{n}.0", "exact"),
            (lambda n: f"{n:08d}", "zeros"),
            (lambda n: f"ab{n}", "case"),
        ],
    )
    def test_identifiers_may_be_spelt_otherwise(self, connection, tmp_path, make, spelling):
        parent = (lambda n: f"AB{n}") if spelling == "case" else str
        arguments = write(
            tmp_path,
            contracts=[
                {"contract_id": parent(100 + 3 * n), "client_no": f"C{n % 90}", "signed_on": day(n % 200)}
                for n in range(500)
            ],
            payments=[{"contract_id": make(100 + 3 * (n % 480)), "paid_on": day(n % 400)} for n in range(2000)],
        )
        relation = found(connection, arguments)["payments.contract_id", "contracts.contract_id"]
        assert (relation.spelling, relation.cardinality) == (spelling, "n:1")
        assert (relation.values, relation.values_found) == (480, 480)
        assert (relation.keys, relation.keys_used) == (500, 480)

    def test_values_alone_do_where_they_cannot_agree_by_chance(self, connection, tmp_path):
        draw = random.Random(2)
        codes = [f"{draw.randrange(16**10):010x}" for _ in range(300)]
        arguments = write(
            tmp_path,
            devices=[{"serial": code, "customer_id": f"C{n % 70}", "bought": day(n)} for n, code in enumerate(codes)],
            pings=[{"source_ref": draw.choice(codes), "seen_at": day(draw.randrange(400))} for _ in range(3000)],
        )
        relation = found(connection, arguments)["pings.source_ref", "devices.serial"]
        assert "could not agree by chance" in relation.evidence[0]
        assert "rests on values alone" in relation.doubt

    def test_orphans_are_counted(self, connection, tmp_path):
        arguments = write(
            tmp_path,
            orders=[{"order_id": f"A{n}", "customer_id": f"C{n % 50}", "ordered_at": day(n)} for n in range(400)],
            items=[{"item_id": n, "order_id": f"A{n % 500}", "price": 3} for n in range(1000)],
        )
        relation = found(connection, arguments)["items.order_id", "orders.order_id"]
        assert (relation.values, relation.values_found, relation.rows, relation.rows_found) == (500, 400, 1000, 800)
        assert "only 80% of the values" in relation.doubt
        assert "200 of 1,000 rows have none" in "; ".join(relation.evidence)

    def test_one_to_one_points_one_way_and_many_to_many_at_the_widest(self, connection, tmp_path):
        arguments = write(
            tmp_path,
            profiles=[{"account_id": f"A{n:03d}", "plan": "xy"[n % 2]} for n in range(150)],
            accounts=[{"account_id": f"A{n:03d}", "opened": day(n)} for n in range(200)],
            logins=[
                {"account_id": f"A{n % 200:03d}", "promo_code": f"Q{n % 41}", "at": day(n % 300)} for n in range(900)
            ],
            clicks=[{"promo_code": f"Q{n % 30}", "clicked_at": day(n % 300)} for n in range(900)],
        )
        relations = found(connection, arguments)
        assert relations["profiles.account_id", "accounts.account_id"].cardinality == "1:1"
        assert ("accounts.account_id", "profiles.account_id") not in relations
        assert relations["logins.account_id", "accounts.account_id"].cardinality == "n:1"
        assert relations["clicks.promo_code", "logins.promo_code"].cardinality == "n:m"

    def test_candidate_keys_may_be_pairs_and_may_have_copies(self, connection, tmp_path):
        arguments = write(
            tmp_path,
            orders=[{"order_id": f"A{min(n, 396)}", "client_id": n % 50, "ordered_at": day(n)} for n in range(400)],
            lines=[{"order_id": f"A{n // 4}", "line_no": n % 4, "price": 3} for n in range(1000)],
        )
        keys = {(k.table, k.columns): k for k in discover(connection, examine(connection, arguments)).keys}
        assert keys["orders", ("order_id",)].copies == 3
        assert ("lines", ("order_id", "line_no")) in keys

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ("items.order_id", "is not a relation"),
            ("lines.order_id=orders.order_id", "no source `lines`"),
            ("items.order=orders.order_id", "no column `order`"),
            ("items.order_id=orders.customer_id", "is no key of orders"),
            ("items.item_id=orders.order_id", "None of the"),
            ("items.item_id=items.item_id", "inherit from itself"),
        ],
    )
    def test_named_relations_are_checked(self, connection, tmp_path, given, message):
        arguments = write(
            tmp_path,
            orders=[{"order_id": f"A{n}", "customer_id": f"C{n % 50}", "ordered_at": day(n)} for n in range(400)],
            items=[{"item_id": n, "order_id": f"A{n % 400}", "price": 3} for n in range(1000)],
        )
        with pytest.raises(UserError, match=message):
            found(connection, arguments, given)

    def test_a_named_relation_stands_above_what_was_found(self, connection, tmp_path):
        arguments = write(
            tmp_path,
            orders=[
                {"order_id": f"A{n}", "old_id": f"B{n}", "customer_id": f"C{n % 50}", "ordered_at": day(n)}
                for n in range(400)
            ],
            items=[{"item_id": n, "order_id": f"B{n % 400}", "price": 3} for n in range(1000)],
        )
        assert ("items.order_id", "orders.order_id") not in found(connection, arguments)
        relations = found(connection, arguments, "items.order_id=orders.old_id")
        assert relations["items.order_id", "orders.old_id"].given


class TestLinking:
    @pytest.fixture(scope="class")
    def related(self, tmp_path_factory):
        folder = tmp_path_factory.mktemp("chain")
        with scratch_connection() as connection:
            profiles = examine(connection, [DataArgument(path) for path in chain().write(folder)])
            yield relate(connection, profiles)

    def test_the_customer_is_what_most_files_reach(self, related):
        assert {p.name: p.entity.column.raw_name for p in related.profiles} == {
            "customers": "id", "cards": "cust_id", "orders": "cust_id", "order_items": "cust_id", "scans": "cust_id",
            "tickets": "customer_id",
        }  # fmt: skip
        assert "6 of 6 files reach it" in related.evidence[0]

    def test_four_tables_in_a_row(self, related):
        assert way("scans", related.hops) == ["scans", "order_items", "orders", "cards"]
        assert set(related.hops) == {"orders", "order_items", "scans"}

    def test_lines_get_the_time_of_their_order(self, related):
        (hop,) = related.hops["order_items"]
        assert hop.brings_entity
        assert hop.brings_time
        items = next(p for p in related.profiles if p.name == "order_items")
        assert items.time.column.raw_name == "ordered_at"

    def test_undated_people_and_reviews_get_no_time_of_others(self, connection, tmp_path):
        arguments = write(
            tmp_path,
            customers=[{"customer_id": f"C{n}", "signup": day(n)} for n in range(80)],
            orders=[{"order_id": f"A{n}", "customer_id": f"C{n % 80}", "ordered_at": day(n)} for n in range(400)],
            reviews=[{"review_id": n, "order_id": f"A{n % 300}", "stars": n % 6} for n in range(600)],
            habits=[{"habit_id": n, "customer_id": f"C{n % 80}", "likes": "ab"[n % 2]} for n in range(300)],
        )
        related = relate(connection, examine(connection, arguments))
        assert related.hops == {}
        given = relate(connection, examine(connection, arguments), given=["reviews.order_id=orders.order_id"])
        assert [h.brings_time for h in given.hops["reviews"]] == [True]

    def test_accounts_rather_than_users_where_only_they_are_reached_by_all(self, connection, tmp_path):
        tables = {
            "users": [{"user_id": f"U{n}", "account_id": f"A{n % 40}", "joined": day(n)} for n in range(200)],
            "logins": [{"user_id": f"U{n % 200}", "login_at": day(n % 300)} for n in range(2000)],
            "invoices": [{"invoice_id": n, "account_id": f"A{n % 40}", "invoiced": day(n % 300)} for n in range(400)],
        }
        profiles = examine(connection, write(tmp_path, **tables))
        related = relate(connection, profiles)
        assert {p.name: p.entity.column.name for p in related.profiles} == dict.fromkeys(tables, "account_id")
        del tables["invoices"]
        fewer = relate(connection, examine(connection, write(tmp_path, **tables)))
        assert {p.entity.column.name for p in fewer.profiles} == {"user_id"}

    def test_tables_that_point_at_each_other_make_no_circle(self, connection, tmp_path):
        arguments = write(
            tmp_path,
            orders=[{"order_id": f"A{n}", "payment_id": f"P{n}", "ordered_at": day(n % 400)} for n in range(500)],
            payments=[
                {"payment_id": f"P{n}", "order_id": f"A{n % 450}", "customer_id": f"C{n % 60}"} for n in range(500)
            ],
            visits=[{"customer_id": f"C{n % 60}", "visited_at": day(n % 400)} for n in range(900)],
        )
        related = relate(connection, examine(connection, arguments))
        assert way("orders", related.hops) == ["orders", "payments"]
        assert "payments" not in related.hops

    def test_orders_and_not_their_lines_say_who_is_active(self, connection, tmp_path):
        lines = [{"line_no": n, "order_id": f"A{n % 600}", "price": n % 9} for n in range(1800)]
        orders = [{"order_id": f"A{n}", "customer_id": f"C{n % 60}", "ordered_at": day(n % 590)} for n in range(600)]
        profiles = examine(connection, write(tmp_path, lines=lines, orders=orders))
        spec = assemble(connection, profiles, tmp_path / "p", Choices(horizon="60d"))
        assert [(s.name, s.use) for s in spec.sources] == [("orders", "events"), ("lines", "events")]
        assert [c.name for c in spec.features if c.name.startswith("lines_price_mean")]

    def test_a_table_with_one_row_for_a_customer_keeps_its_own_key(self, connection, tmp_path):
        """Who has one subscription today may have two tomorrow; a second is no copy of the first."""
        orders = [{"customer_id": f"C{n % 60}", "ordered_at": day(n % 590), "price": n % 9} for n in range(600)]
        people = [{"customer_id": f"C{n}", "started_at": day(n), "nickname": f"nick {n}"} for n in range(60)]
        plans = [{"subscription_id": f"S{n}", "customer_id": f"C{n}", "started_at": day(n)} for n in range(60)]
        profiles = examine(connection, write(tmp_path, orders=orders, people=people, app_subscriptions=plans))
        spec = assemble(connection, profiles, tmp_path / "p", Choices(horizon="60d"))
        assert {s.name: s.key.raw_name for s in spec.sources if s.key} == {
            "people": "customer_id",
            "app_subscriptions": "subscription_id",
        }

    def test_what_is_left_out_leads_nowhere(self, connection, tmp_path):
        paths = [DataArgument(path) for path in chain().write(tmp_path)]
        profiles = examine(connection, paths)
        exclude = ["tickets", "order_items.order_id"]
        spec = assemble(connection, profiles, tmp_path / "p", Choices(horizon="60d"), exclude=exclude)
        uses = {s.name: s.use for s in spec.sources}
        assert uses["tickets"] == uses["order_items"] == uses["scans"] == "stored"
        assert uses["orders"] == "events"
        for wrong in ("nothing", "tickets.nothing"):
            with pytest.raises(UserError, match=r"no source|no column"):
                assemble(connection, profiles, tmp_path / "p", Choices(), exclude=[wrong])
