"""Files in the shapes of well-known public sets, from `retention init` to gold, or to scores, with no other hand."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from tests.python.command_line import command_here, rows, train_only

START = datetime(2022, 1, 3, tzinfo=UTC)


def write(path: Path, records: list[dict], delimiter: str = ",", header: bool = True) -> str:
    """Write rows; the path."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, records[0], delimiter=delimiter, lineterminator="\n")
        if header:
            writer.writeheader()
        writer.writerows(records)
    return str(path)


def visits(draw: random.Random, customers: int, days: int = 720) -> list[tuple[int, datetime]]:
    """Customer and time: each comes back at a pace of their own, and stops some day."""
    made = []
    for customer in range(customers):
        pace, until = draw.uniform(8, 45), draw.uniform(0.2, 1.5) * days
        at = draw.uniform(0, 120)
        while at < min(until, days):
            made.append((customer, START + timedelta(days=at)))
            at += draw.expovariate(1 / pace) + 1
    return sorted(made, key=lambda visit: visit[1])


def code(*parts: object) -> str:
    """A code of 32 letters and digits, the same for the same parts."""
    return f"{random.Random(str(parts)).getrandbits(128):032x}"


def marketplace(folder: Path) -> list[str]:
    """Nine linked files: a customer has one id per order, and one of their own."""
    draw = random.Random(3)
    stamp = "%Y-%m-%d %H:%M:%S"
    places = [(f"{10000 + 37 * n:05d}", f"town {n}", draw.choice(["SP", "RJ", "MG"])) for n in range(25)]
    home = [draw.choice(places) for _ in range(100)]
    categories = ["beleza_saude", "informatica", "moveis", "esporte"]
    products = [{"product_id": code("p", n), "product_category_name": categories[n % 4], "product_weight_g": 90 + n}
                for n in range(60)]  # fmt: skip
    sellers = [{"seller_id": code("s", n), "seller_zip_code_prefix": places[n][0], "seller_city": places[n][1],
                "seller_state": places[n][2]} for n in range(20)]  # fmt: skip
    customers, orders, items, payments, reviews = [], [], [], [], []
    for number, (customer, at) in enumerate(visits(draw, 100)):
        order, place = code("o", number), home[customer]
        customers.append({"customer_id": code("c", number), "customer_unique_id": code("u", customer),
                          "customer_zip_code_prefix": place[0], "customer_city": place[1],
                          "customer_state": place[2]})  # fmt: skip
        orders.append({"order_id": order, "customer_id": code("c", number), "order_status": "delivered",
                       "order_purchase_timestamp": at.strftime(stamp),
                       "order_approved_at": (at + timedelta(hours=1)).strftime(stamp),
                       "order_delivered_customer_date": (at + timedelta(days=8)).strftime(stamp),
                       "order_estimated_delivery_date": (at + timedelta(days=20)).strftime(stamp)})  # fmt: skip
        for place_in_order in range(1, draw.randrange(2, 4)):
            items.append({"order_id": order, "order_item_id": place_in_order,
                          "product_id": draw.choice(products)["product_id"],
                          "seller_id": draw.choice(sellers)["seller_id"],
                          "shipping_limit_date": (at + timedelta(days=5)).strftime(stamp),
                          "price": round(draw.uniform(5, 300), 2),
                          "freight_value": round(draw.uniform(3, 30), 2)})  # fmt: skip
        payments.append({"order_id": order, "payment_sequential": 1,
                         "payment_type": draw.choice(["credit_card", "boleto"]),
                         "payment_installments": draw.randrange(1, 9),
                         "payment_value": round(draw.uniform(9, 400), 2)})  # fmt: skip
        if draw.random() < 0.8:
            answered = at + timedelta(days=draw.uniform(9, 14))
            reviews.append({"review_id": code("r", number), "order_id": order, "review_score": draw.randrange(1, 6),
                            "review_comment_message": draw.choice(["", "chegou bem", "muito bom, recomendo a todos"]),
                            "review_creation_date": (answered - timedelta(days=1)).strftime("%Y-%m-%d 00:00:00"),
                            "review_answer_timestamp": answered.strftime(stamp)})  # fmt: skip
    where = [{"geolocation_zip_code_prefix": p[0], "geolocation_lat": -23.5, "geolocation_lng": -46.6,
              "geolocation_city": p[1], "geolocation_state": p[2]} for p in places for _ in range(3)]  # fmt: skip
    names = [{"product_category_name": c, "product_category_name_english": c[:4]} for c in categories]
    tables = {
        "customers": customers, "geolocation": where, "order_items": items, "order_payments": payments,
        "order_reviews": reviews, "orders": orders, "products": products, "sellers": sellers,
        "product_category_name_translation": names,
    }  # fmt: skip
    return [write(folder / f"olist_{name}_dataset.csv", table) for name, table in tables.items()]


def ratings(folder: Path) -> list[str]:
    """Viewer, film, rating and seconds since 1970, apart by tabs, without a header."""
    draw = random.Random(5)
    made = [{"a": 1 + viewer, "b": draw.randrange(1, 300), "c": draw.randrange(1, 6), "d": int(at.timestamp())}
            for viewer, at in visits(draw, 150) for _ in range(draw.randrange(1, 4))]  # fmt: skip
    return [write(folder / "u.data", made, "\t", header=False)]


def telephone(folder: Path) -> list[str]:
    """Calls of customers of a telephone company as of one day, without any key."""
    draw, made = random.Random(7), []
    for _ in range(900):
        failures, minutes = draw.randrange(0, 20), draw.randrange(0, 9000)
        churned = draw.random() < (0.35 if minutes < 2000 else 0.08)
        made.append({"Call  Failure": failures, "Complains": int(draw.random() < 0.1),
                     "Subscription  Length": draw.randrange(1, 46), "Seconds of Use": minutes,
                     "Age Group": draw.randrange(1, 6), "Tariff Plan": draw.randrange(1, 3),
                     "Churn": int(churned)})  # fmt: skip
    return [write(folder / "calls.csv", [*made, *made[:15]])]


def billing(folder: Path) -> list[str]:
    """Subscriptions with their start, and their end where they were cancelled; an upgrade is a second row."""
    draw, made = random.Random(11), []
    for customer in range(220):
        at, until = START + timedelta(days=draw.uniform(0, 500)), START + timedelta(days=900)
        for _ in range(draw.randrange(1, 3)):
            end = at + timedelta(days=draw.expovariate(1 / 260))
            made.append({"id": f"sub_{len(made):05d}", "Customer ID": f"cus_{customer:05d}",
                         "Plan": draw.choice(["basic", "pro"]), "Amount": draw.choice([900, 2900]),
                         "Status": "active" if end > until else "canceled",
                         "Created (UTC)": f"{at:%Y-%m-%d %H:%M}",
                         "Canceled At (UTC)": "" if end > until else f"{end:%Y-%m-%d %H:%M}"})  # fmt: skip
            if end > until:
                break
            at = end + (timedelta(0) if draw.random() < 0.5 else timedelta(days=draw.uniform(5, 90)))
            if at > until:
                break
    return [write(folder / "subscriptions.csv", made)]


WAYS: dict[str, tuple[Callable[[Path], list[str]], tuple[str, ...]]] = {
    "marketplace": (marketplace, ("--horizon", "60d", "--step", "60d")),
    "ratings": (ratings, ("--horizon", "60d")),
    "telephone": (telephone, ("--outcome", "Churn")),
    "billing": (billing, ()),
}


@pytest.fixture(
    scope="module",
    params=[pytest.param(way, marks=[pytest.mark.thorough] if way == "ratings" else []) for way in WAYS],
)
def project(request, tmp_path_factory) -> Path:
    """A project from raw files, built, and trained, scored and reported unless it is the large one."""
    make, options = WAYS[request.param]
    home = tmp_path_factory.mktemp(request.param)
    started = command_here(home, "init", request.param, "--yes", "--data", *make(home), *options)
    assert started.returncode == 0, started.stderr
    folder = home / request.param
    train_only(folder)
    run = command_here(folder, "build" if request.param == "marketplace" else "run")
    assert run.returncode == 0, started.stdout + run.stderr[-3000:]
    return folder


EXPECTED = {
    "marketplace": ("customer_unique_id", "inactivity"),
    "ratings": ("column_1", "inactivity"),
    "telephone": ("row_number", "supplied"),
    "billing": ("customer_id", "end_date"),
}


def test_files_go_all_the_way(project):
    findings = yaml.safe_load((project / "findings.yaml").read_text(encoding="utf-8"))
    assert (findings["customer"], findings["outcome"]["definition"]) == EXPECTED[project.name]
    ((labelled, to_score),) = rows(
        project, "select (select count(*) from gold.gld_training_set), (select count(*) from gold.gld_scoring_set)"
    )
    assert labelled > 0
    assert to_score > 0
    for file in findings["files"]:
        counted = rows(
            project,
            "select sum(row_count) from bronze.brz_row_counts "
            f"where source_table = '{findings['project']}__{file['source']}'",
        )
        assert counted == [(file["rows"],)]
    if project.name == "marketplace":
        uses = {f["source"]: f["use"] for f in findings["files"]}
        events = {name for name, use in uses.items() if use == "events"}
        assert events == {f"olist_{name}" for name in ("orders", "order_items", "order_payments", "order_reviews")}
        items = (project / "models/silver/slv_olist_order_items_windows.sql").read_text(encoding="utf-8")
        assert "shipping_limit_date" not in items
    else:
        assert (project / "reports" / "index.html").is_file()
        ((scored, unlikely),) = rows(
            project,
            "select count(*), count(*) filter (churn_probability not between 0 and 1) from gold.gld_churn_scores",
        )
        assert scored == to_score
        assert unlikely == 0
