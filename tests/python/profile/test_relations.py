"""Relations: names and values, running numbers, spellings, composite keys, what the user names; the cases' facts."""

from __future__ import annotations

import pytest

from python_ml.errors import UserError
from python_ml.ingest.vocabulary import name_score, person_score
from tests.python.profile.test_columns import lines


def pairs(profile) -> set[tuple[str, str, str]]:
    """Relations as ``child.column``, ``parent.column``, cardinality."""
    return {
        (f"{r.child}.{'+'.join(r.child_columns)}", f"{r.parent}.{'+'.join(r.parent_columns)}", r.cardinality)
        for r in profile.relations
    }


CUSTOMERS = lines("id,country", *(f"{n},{'DE' if n % 2 else 'FR'}" for n in range(1, 33)))
ORDERS = lines("order_no,user_id,at,value", *(f"{n},{n % 30 + 1},2024-01-{n % 28 + 1:02d},{n}" for n in range(1, 191)))


def test_a_key_under_another_name(profiled):
    profile = profiled(tables={"users": CUSTOMERS, "events": ORDERS})
    assert pairs(profile) == {("events.user_id", "users.id", "n:1")}
    (relation,) = profile.relations
    assert (relation.values, relation.values_matched, relation.keys, relation.keys_used) == (30, 30, 32, 30)
    assert (relation.rows, relation.name_score, relation.chance) == (190, 0.95, 1)


def test_running_numbers_match_by_chance(profiled):
    # Without a name that supports it, 1 to 30 within 1 to 32 is no relation.
    orders = ORDERS.replace("user_id", "shelf_id")
    assert pairs(profiled(tables={"users": CUSTOMERS, "events": orders})) == set()


def test_values_that_cannot_match_by_chance_need_no_name(profiled):
    codes = [f"{n * 7919 % 100_003:06d}x{n * n % 97}" for n in range(60)]
    parent = lines("code,size", *(f"{code},{n % 5}" for n, code in enumerate(codes)))
    child = lines("ref,day", *(f"{codes[n % 50]},2024-01-{n % 28 + 1:02d}" for n in range(200)))
    assert pairs(profiled(tables={"things": parent, "moves": child})) == {("moves.ref", "things.code", "n:1")}


def test_two_keys_of_the_same_point_one_way(profiled):
    profiles = lines("customer_id,newsletter", *(f"{n},{n % 2}" for n in range(1, 31)))
    customers = CUSTOMERS.replace("id,country", "customer_id,country")
    profile = profiled(tables={"settings": profiles, "customers": customers})
    assert pairs(profile) == {("settings.customer_id", "customers.customer_id", "1:1")}


@pytest.mark.parametrize(
    ("parent", "child", "spelling"),
    [("K{:03d}", "k{:03d}", "case"), ("A{}", "A{}.0", "point_zero"), ("{}x", "00{}x", "zeros")],
)
def test_spellings(profiled, parent, child, spelling):
    customers = lines("customer_id,plan", *(f"{parent.format(n)},{n % 3}" for n in range(100, 160)))
    orders = lines("customer_id,day", *(f"{child.format(n % 50 + 100)},2024-01-{n % 28 + 1:02d}" for n in range(200)))
    (relation,) = profiled(tables={"customers": customers, "orders": orders}).relations
    assert (relation.spelling, relation.inclusion) == (spelling, 1)


def test_a_name_alone_is_refused_with_the_reason(profiled):
    orders = lines("customer_id,day", *(f"X{n % 50},2024-01-{n % 28 + 1:02d}" for n in range(200)))
    customers = lines("customer_id,plan", *(f"K{n},{n % 3}" for n in range(60)))
    profile = profiled(tables={"customers": customers, "orders": orders})
    assert pairs(profile) == set()
    assert "only 0 of its 50 values exist there" in profile.refused_relations[0]


LINES = lines("order_id,item_no,price", *(f"o{n // 2},{n % 2 + 1},{n % 17}" for n in range(120)))
SHIPMENTS = lines("order_id,item_no,carrier", *(f"o{n // 2},{n % 2 + 1},{'ab'[n % 2]}" for n in range(100)))


def test_composite_keys(profiled):
    profile = profiled(tables={"items": LINES, "shipments": SHIPMENTS})
    relation = next(r for r in profile.relations if len(r.child_columns) > 1)
    assert (relation.child, relation.parent, relation.cardinality) == ("shipments", "items", "1:1")
    assert (relation.child_columns, relation.values, relation.values_matched) == (("order_id", "item_no"), 100, 100)


def test_relations_that_the_user_names(profiled):
    orders = ORDERS.replace("user_id", "shelf_id")
    tables = {"users": CUSTOMERS, "events": orders, "items": LINES, "shipments": SHIPMENTS}
    given = ["events.shelf_id=users.id", "shipments.order_id+item_no=items.order_id+item_no"]
    profile = profiled(tables=tables, relate=given)
    assert {r.child for r in profile.relations if r.is_given} == {"events", "shipments"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("events.user_id", "is not a relation"),
        ("nowhere.x=users.id", "no source `nowhere`"),
        ("events.none=users.id", "no column `none`"),
        ("events.user_id=users.country", "is no key of users: 32 rows have 2 different values"),
        ("events.user_id+at=users.id", "different numbers of columns"),
        ("events.user_id=events.order_no", "cannot be related to itself"),
        ("events.at=users.id", "None of the 28 values"),
    ],
)
def test_relations_that_cannot_be(profiled, text, message):
    with pytest.raises(UserError, match=message) as error:
        profiled(tables={"users": CUSTOMERS, "events": ORDERS}, relate=[text])
    assert error.value.hint


@pytest.mark.parametrize("excluded", ["users", "events.user_id", "users.id"])
def test_columns_that_lead_nowhere(profiled, excluded):
    assert pairs(profiled(tables={"users": CUSTOMERS, "events": ORDERS}, exclude=[excluded])) == set()


def test_times_before_the_parent_began(profiled):
    customers = lines("customer_id,signed_up_at", *(f"K{n},2024-01-{10 + n % 2}" for n in range(40)))
    orders = lines("order_id,customer_id,ordered_at", *(f"o{n},K{n % 40},2024-01-{n % 20 + 1:02d}" for n in range(200)))
    (violation,) = profiled(tables={"customers": customers, "orders": orders}).order_violations
    assert (violation.kind, violation.compared, violation.violated) == ("across_tables", 200, 100)


@pytest.mark.parametrize(
    ("child", "parent", "table", "score"),
    [
        ("customer_id", "customer_id", "people", 1.0),
        ("CustNo", "customer_id", "customers", 1.0),
        ("user_id", "id", "users", 0.95),
        ("billing_customer_id", "customer_id", "customers", 0.8),
        ("id", "id", "orders", 0.0),
        ("hall_id", "meet_id", "meets", 0.0),
    ],
)
def test_scores_of_names(child, parent, table, score):
    assert name_score(child, parent, table) == score


@pytest.mark.parametrize(
    ("name", "score"),
    [
        ("CLIENTNUM", 3),
        ("custid", 3),
        ("user", 2),
        ("store_id", 0.5),
        ("customer_zip_code_prefix", 0.5),
        ("customer_order_id", 0.5),
        ("order_customer_id", 3),
        ("plan", 0),
    ],
)
def test_names_of_customers(name, score):
    assert person_score(name) == score


class TestCases:
    def test_03_the_customers_own_table(self, profiled, cases):
        folder = cases / "03-entity-flag-hides-the-customers-table"
        assert pairs(profiled(folder / "events.csv", folder / "users.csv")) == {("events.user_id", "users.id", "n:1")}

    def test_06_a_deadline(self, profiled, cases):
        folder = cases / "06-deadline-taken-as-event-time"
        profile = profiled(folder / "orders.csv", folder / "items.csv")
        assert pairs(profile) == {("items.order_id", "orders.order_id", "n:1")}
        assert profile.table("items").time.is_deadline
        assert not profile.table("orders").time.is_deadline

    def test_30_subscriptions(self, profiled, cases):
        profile = profiled(cases / "30-subscriptions-with-a-cancel-date" / "subscriptions.csv")
        time = profile.tables[0].time
        assert (time.column, time.ended) == ("created_utc", "canceled_at_utc")

    def test_37_linked_tables(self, profiled, cases):
        names = ("results", "meets", "heats", "standings", "members", "teams", "halls", "status")
        profile = profiled(*(cases / "37-linked-tables" / f"{name}.csv" for name in names))
        assert pairs(profile) == {
            ("meets.hall_id", "halls.hall_id", "n:1"),
            ("results.meet_id", "meets.meet_id", "n:1"),
            ("heats.meet_id", "meets.meet_id", "n:1"),
            ("standings.meet_id", "meets.meet_id", "n:1"),
            ("results.member_id", "members.member_id", "n:1"),
            ("heats.member_id", "members.member_id", "n:1"),
            ("standings.member_id", "members.member_id", "n:1"),
            ("results.team_id", "teams.team_id", "n:1"),
            ("results.status_id", "status.status_id", "n:1"),
        }
        assert profile.refused_relations == ()
        assert profile.table("members").time is None
