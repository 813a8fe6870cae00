"""What each file is used for: events, attributes, lookups, histories; and how rows reach the customer."""

from __future__ import annotations

import pytest

from python_ml.errors import UserError
from python_ml.generate.sources import time_meta
from tests.python.plan.planning import day, examined, plan_of, proposed, write_tables
from tests.python.raw_chain import chain
from tests.python.raw_shop import shop, write


def uses(plan) -> dict[str, str]:
    return {s.name: s.use for s in plan.sources}


def brought(plan, name: str) -> dict[str, set[str]]:
    """Parts that the rows of a source get, by the table that gives them."""
    made: dict[str, set[str]] = {}
    for link in plan.source(name).links:
        made.setdefault(link.parent, set()).update(b.part for b in link.brings)
    return made


@pytest.fixture(scope="module")
def linked(tmp_path_factory):
    examination = examined(*chain().write(tmp_path_factory.mktemp("chain")), horizon="60d")
    return examination.planned(proposed(examination)).plan


class TestLinks:
    def test_the_customer_is_what_most_files_reach(self, linked):
        assert linked.entity == "cust_id"
        raw = {s.name: s.own_entity.raw_name for s in linked.sources if s.own_entity}
        assert raw == {"customers": "id", "cards": "cust_id", "tickets": "customer_id"}
        assert {s.entity for s in linked.sources} == {"cust_id"}
        (entity,) = [s for s in linked.settings if s.name == "entity"]
        assert "6 of 6 files reach it" in entity.reason

    def test_four_tables_in_a_row(self, linked):
        assert brought(linked, "scans")["order_items"] == {"entity"}
        assert brought(linked, "orders")["cards"] == {"entity"}
        assert {s.name for s in linked.linked} == {"orders", "order_items", "scans"}

    def test_lines_get_the_time_of_their_order(self, linked):
        assert brought(linked, "order_items")["orders"] == {"entity", "time"}
        assert linked.source("order_items").time == "ordered_at"

    def test_undated_reviews_and_habits_get_no_time_of_others(self, tmp_path):
        paths = write_tables(
            tmp_path / "data",
            customers=[{"customer_id": f"C{n}", "signup": day(n)} for n in range(80)],
            orders=[{"order_id": f"A{n}", "customer_id": f"C{n % 80}", "ordered_at": day(n)} for n in range(400)],
            reviews=[{"review_id": n, "order_id": f"A{n % 300}", "stars": n % 6} for n in range(600)],
            habits=[{"habit_id": n, "customer_id": f"C{n % 80}", "likes": "ab"[n % 2]} for n in range(300)],
        )
        plan = plan_of(*paths)
        assert uses(plan) == {"orders": "events", "customers": "attributes", "reviews": "stored", "habits": "stored"}
        unused = {name: reason for name, reason, _ in plan.unused}
        assert "may describe the future" in unused["reviews.csv"]
        named = plan_of(*paths, relate=("reviews.order_id=orders.order_id",))
        assert uses(named)["reviews"] == "events"
        assert brought(named, "reviews")["orders"] == {"entity", "time"}

    def test_accounts_rather_than_users_where_only_they_are_reached_by_all(self, tmp_path):
        tables = {
            "users": [{"user_id": f"U{n}", "account_id": f"A{n % 40}", "joined": day(n)} for n in range(200)],
            "logins": [{"user_id": f"U{n % 200}", "login_at": day(n % 300)} for n in range(2000)],
            "invoices": [{"invoice_id": n, "account_id": f"A{n % 40}", "invoiced": day(n % 300)} for n in range(400)],
        }
        plan = plan_of(*write_tables(tmp_path / "a", **tables))
        assert {s.entity for s in plan.sources} == {"account_id"}
        del tables["invoices"]
        assert {s.entity for s in plan_of(*write_tables(tmp_path / "b", **tables)).sources} == {"user_id"}

    def test_tables_that_point_at_each_other_make_no_circle(self, tmp_path):
        paths = write_tables(
            tmp_path / "data",
            orders=[{"order_id": f"A{n}", "payment_id": f"P{n}", "ordered_at": day(n % 400)} for n in range(500)],
            payments=[
                {"payment_id": f"P{n}", "order_id": f"A{n % 450}", "customer_id": f"C{n % 60}"} for n in range(500)
            ],
            visits=[{"customer_id": f"C{n % 60}", "visited_at": day(n % 400)} for n in range(900)],
        )
        plan = plan_of(*paths)
        assert brought(plan, "orders")["payments"] >= {"entity"}
        assert "orders" not in {link.parent for link in plan.source("payments").links}

    def test_orders_and_not_their_lines_say_who_is_active(self, tmp_path):
        lines = [{"line_no": n, "order_id": f"A{n % 600}", "price": n % 9} for n in range(1800)]
        orders = [{"order_id": f"A{n}", "customer_id": f"C{n % 60}", "ordered_at": day(n % 590)} for n in range(600)]
        plan = plan_of(*write_tables(tmp_path / "data", lines=lines, orders=orders), horizon="60d")
        assert [(s.name, s.use) for s in plan.sources] == [("orders", "events"), ("lines", "events")]
        assert plan.outcome.source == "orders"
        assert [c.name for c in plan.features if c.name.startswith("lines_price_mean")]

    def test_a_table_with_one_row_for_a_customer_keeps_its_own_key(self, tmp_path):
        """Who has one subscription today may have two tomorrow; a second is no copy of the first."""
        orders = [{"customer_id": f"C{n % 60}", "ordered_at": day(n % 590), "price": n % 9} for n in range(600)]
        people = [{"customer_id": f"C{n}", "started_at": day(n), "nickname": f"nick {n}"} for n in range(60)]
        plans = [{"subscription_id": f"S{n}", "customer_id": f"C{n}", "started_at": day(n)} for n in range(60)]
        paths = write_tables(tmp_path / "data", orders=orders, people=people, app_subscriptions=plans)
        keys = {s.name: s.key for s in plan_of(*paths, horizon="60d").sources if s.key}
        assert keys == {"people": ("customer_id",), "app_subscriptions": ("subscription_id",)}

    def test_rows_without_a_parent_are_counted_and_require_review(self, tmp_path):
        paths = write_tables(
            tmp_path / "data",
            orders=[{"order_id": f"A{n}", "customer_id": f"C{n % 50}", "ordered_at": day(n)} for n in range(400)],
            items=[{"item_id": n, "order_id": f"A{n % 500}", "price": n % 7} for n in range(1000)],
        )
        plan = plan_of(*paths)
        assert plan.source("items").counts.unlinked == {"unknown order_id": 200}
        assert any("items.order_id" in review and "80%" in review for review in plan.reviews)

    def test_a_named_relation_comes_before_the_one_that_the_names_suggest(self, tmp_path):
        paths = write_tables(
            tmp_path / "data",
            orders=[
                {"order_id": f"A{n}", "old_id": f"B{n}", "customer_id": f"C{n % 50}", "ordered_at": day(n)}
                for n in range(400)
            ],
            items=[{"item_id": n, "order_id": f"B{n % 400}", "price": n % 7} for n in range(1000)],
        )
        plan = plan_of(*paths, relate=("items.order_id=orders.old_id",))
        (link,) = plan.source("items").links
        assert link.parent_columns == ("old_id",)
        assert plan.source("items").counts.unlinked == {}

    def test_what_is_excluded_leads_nowhere(self, tmp_path):
        paths = chain().write(tmp_path)
        plan = plan_of(*paths, horizon="60d", exclude=("tickets", "order_items.order_id"))
        assert [uses(plan)[n] for n in ("tickets", "order_items", "scans")] == ["stored"] * 3
        assert uses(plan)["orders"] == "events"
        reasons = {name: (reason, flag) for name, reason, flag in plan.unused}
        assert reasons["tickets.csv"] == ("it is excluded with --exclude", "--exclude")
        for wrong in ("nothing", "tickets.nothing"):
            with pytest.raises(UserError, match=r"no source|no column"):
                plan_of(*paths, exclude=(wrong,))


class TestUses:
    def test_outcomes_and_what_may_be_overwritten_are_no_features_unasked(self, tmp_path):
        orders = write(tmp_path / "orders.csv", shop())
        people = [{"customer_id": f"C{i:04d}", "segment": "abc"[i % 3], "churned": i % 2} for i in range(150)]
        dated = [
            {"customer_id": f"C{i:04d}", "signed_up_on": f"2023-{1 + i % 12:02d}-01", "country": "xy"[i % 2]}
            for i in range(150)
        ]
        examination = examined(write(tmp_path / "people.csv", people), orders, write(tmp_path / "accounts.csv", dated))
        recommendations = proposed(examination)
        plan = examination.planned(recommendations).plan
        assert uses(plan) == {"orders": "events", "people": "attributes", "accounts": "attributes"}
        assert plan.sources[0].name == "orders"
        attributes = {c.name for c in plan.features if c.meta["aggregate"] == "attribute"}
        assert attributes == {"account_country"} | {n for n in attributes if "signed_up_on" in n}
        segment = recommendations["silver.people.attribute.people_segment"]
        assert (segment.status, segment.may_be_accepted) == ("proposed", False)
        assert "may have been overwritten" in segment.reason
        assert not [c.name for c in plan.features if "churned" in c.name]
        unused = {name: reason for name, reason, _ in plan.unused}
        assert unused["people.churned"] == "its name suggests the outcome"
        assert unused["people.segment"] == "not accepted yet: silver.people.attribute.people_segment"

    def test_the_busiest_file_is_listed_when_it_cannot_be_used(self, tmp_path):
        paths = write_tables(
            tmp_path / "data",
            clicks=[{"page": f"p{n % 90}", "clicked_at": day(n % 400), "n": n % 7} for n in range(5000)],
            orders=[{"customer_id": f"C{n % 60}", "ordered_at": day(n % 400), "price": n % 9} for n in range(900)],
        )
        plan = plan_of(*paths)
        assert uses(plan) == {"orders": "events", "clicks": "stored"}
        ((_, reason, flag),) = [entry for entry in plan.unused if entry[0] == "clicks.csv"]
        assert "no column of customers such as customer_id" in reason
        assert flag == "--relate child.column=parent.column"

    def test_a_lookup_describes_the_rows_that_point_at_it(self, tmp_path):
        paths = write_tables(
            tmp_path / "data",
            products=[{"sku": f"S{n:03d}", "category": "abc"[n % 3], "weight": n} for n in range(40)],
            orders=[
                {"customer_id": f"C{n % 60}", "ordered_at": day(n % 500), "sku": f"S{n % 40:03d}"} for n in range(1200)
            ],
        )
        plan = plan_of(*paths)
        assert uses(plan) == {"orders": "events", "products": "lookup"}
        assert brought(plan, "orders") == {"products": {"value"}}
        names = {c.name for c in plan.features}
        assert {"orders_product_category_a_count_30d", "orders_product_category_b_share_30d"} <= names
        assert "orders_product_weight_mean_30d" in names

    def test_what_describes_an_order_does_not_describe_its_items_again(self, tmp_path):
        orders = [
            {"order_id": f"A{n:04d}", "customer_id": f"C{n % 60}", "ordered_at": day(n % 500), "branch_id": f"L{n % 9}"}
            for n in range(1200)
        ]
        paths = write_tables(
            tmp_path / "data",
            branches=[{"branch_id": f"L{n}", "place_id": f"P{n}", "region": "abc"[n % 3]} for n in range(9)],
            places=[{"place_id": f"P{n}", "sales_region": "xyz"[n % 3], "climate": "pq"[n % 2]} for n in range(9)],
            orders=orders,
            items=[{"order_id": f"A{n % 1200:04d}", "price": 3 + n % 50} for n in range(3000)],
        )
        plan = plan_of(*paths)
        assert uses(plan) == {"orders": "events", "items": "events", "branches": "lookup", "places": "lookup"}
        assert brought(plan, "items") == {"orders": {"entity", "time"}}
        # The place of a branch has as many regions under nearly the same name: once is enough.
        values = {b.name for link in plan.source("orders").links for b in link.brings}
        assert values == {"branch_region", "place_climate"}

    def test_versions_that_end_begin_when_they_are_valid_and_close_one_another(self, tmp_path):
        """A replay takes out the ends that a late version wrote; features do not read them."""
        versions = [
            {"customer_id": f"C{n % 60}", "valid_from": day(n), "valid_to": day(n + 60) if n < 120 else "",
             "loaded_at": day(n + n % 3), "plan": "xy"[n % 2], "seats": n % 4}
            for n in range(180)
        ]  # fmt: skip
        examination = examined(*write_tables(
            tmp_path / "data",
            customers=[{"customer_id": f"C{n}", "plan": "pro", "seats": n % 5, "region": "n"} for n in range(60)],
            plan_history=versions,
            orders=[{"customer_id": f"C{n % 60}", "ordered_at": day(n % 500), "price": n % 9} for n in range(1200)],
        ))  # fmt: skip
        plan = examination.planned(proposed(examination)).plan
        source = plan.source("plan_history")
        assert (source.use, source.time, source.available) == ("history", "valid_from", "loaded_at")
        assert "valid_to" not in {a.origin for a in source.attributes}
        assert time_meta(plan, source)["later"] == [
            {"columns": ["valid_to"], "known_at": "valid_to", "versions_of": ["customer_id"]}
        ]

    def test_a_change_log_is_a_history_of_attributes(self, tmp_path):
        paths = write_tables(
            tmp_path / "data",
            customers=[
                {"customer_id": f"C{n}", "plan": "pro", "seats": n % 5, "region": "ns"[n % 2]} for n in range(60)
            ],
            plan_history=[
                {"customer_id": f"C{n % 60}", "changed_at": day(n), "plan": "xy"[n % 2], "seats": n % 4}
                for n in range(180)
            ],
            orders=[{"customer_id": f"C{n % 60}", "ordered_at": day(n % 500), "price": n % 9} for n in range(1200)],
        )
        examination = examined(*paths)
        recommendations = proposed(examination)
        plan = examination.planned(recommendations).plan
        assert uses(plan) == {"orders": "events", "customers": "attributes", "plan_history": "history"}
        history = {a.origin for a in plan.source("plan_history").attributes}
        assert history == {"plan", "seats", "changed_at"}
        # What is known over time is not taken from the table that was overwritten.
        assert [a.origin for a in plan.source("customers").attributes] == ["region"]
        assert recommendations.get("silver.customers.attribute.customer_plan") is None
