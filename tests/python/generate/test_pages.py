"""The README, the page of the pipeline, findings.yaml and the summary on the terminal."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace

import yaml

from python_ml.generate import summary
from python_ml.generate.figures import column_uses, feature_groups, row_changes
from python_ml.generate.render import render
from python_ml.plan.schema import ModelInput
from python_ml.profile.schema import Preview, Profile, RowCounts
from tests.python.generate.plans import settings
from tests.python.generate.worlds import HOSTILE, INACTIVITY, ORDERS, TABLE, WORLDS

COUNTS = RowCounts(
    12, {"missing customer_id": 2, "duplicate order_id": 1}, {}, 0, datetime(2024, 1, 5), datetime(2024, 5, 15)
)
PLAN = replace(
    INACTIVITY,
    sources=(replace(ORDERS, counts=COUNTS), *INACTIVITY.sources[1:]),
    evidence={"orders": (("customer", "Customer: its name suggests a customer"),)},
    notices=("orders: 2 of 12 rows are quarantined: missing customer_id", "orders: 1 | row is *odd*"),
    reviews=("only 3 customers are at risk",),
    unused=(("orders.memo", "free text", ""), ("extra.csv", "no customer", "--relate a.b=c.d")),
    model_input=ModelInput({"plan": "it leaks"}),
)
PROFILE = Profile(tables=(), preview=Preview(datetime(2024, 4, 1), 1234, 0.256))
RECOMMENDATIONS = [
    SimpleNamespace(id="bronze.orders.key.order_id", status="applied", reason="it is unique", note=None),
    SimpleNamespace(id="gold.x.transform.y", status="proposed", reason="skewed | so", note="wait"),
]


def test_the_summary_has_every_section_and_counts_rows_once() -> None:
    text = summary(PLAN, PROFILE, RECOMMENDATIONS, "shop")
    for expected in (
        "Wrote the dbt project shop to shop",
        "orders  (orders.csv, 12 rows): events, for a test",
        "customer  Customer: its name suggests a customer",
        "Changes to rows and values:\n    - orders: 2 of 12 rows are quarantined: missing customer_id",
        "- orders.channel: 'N/A' is read as missing",
        "- orders.amount: values below 0 or above 100 are set to the bound",
        "- orders.rating: 0 missing values become the customer's last known value",
        "Requires review:\n    - only 3 customers are at risk",
        "Notes on the data:\n    - orders: 1 | row is *odd*",
        "- extra.csv: no customer (--relate a.b=c.d)",
        f"{len(PLAN.features)} features, of which models do not use 1. At the last feature time with a known outcome, "
        "1,234 customers are at risk and 25.6% of them churned.",
        "1 recommendation is not decided",
    ):
        assert expected in text
    assert text.count("missing customer_id") == 1
    assert text.endswith("Next: cd shop && retention run")


def test_long_lists_are_cut_on_the_terminal_but_not_in_the_readme() -> None:
    plan = replace(PLAN, unused=tuple((f"orders.c{i}", "free text", "") for i in range(100)))
    text = summary(plan, PROFILE, [], "shop")
    assert "… and 70 more: see README.md" in text
    assert "orders.c99" not in text
    assert "`orders.c99`" in render(plan, PROFILE)["README.md"]


def test_the_readme_explains_the_outcome_and_escapes_what_files_say() -> None:
    files = render(PLAN, PROFILE)
    text = files["README.md"]
    assert "orders: 1 \\| row is \\*odd\\*" in text
    assert "| `orders` | `Customer` | `customer_id` | key of the customer |" in text
    assert "has **churned** when none lies in the\n30 days that follow." in text
    assert "1,234 customers are at risk" in text
    for name, text in (
        ("spans", "is no churn"),
        ("labelled", "as-of times of the labels"),
        ("telco", "one **snapshot**"),
    ):
        assert text in render(WORLDS[name][0])["README.md"]
    assert "{%" not in render(TABLE)["README.md"].replace("{ {", "")


def test_the_page_of_the_pipeline_has_steps_and_decisions() -> None:
    text = render(PLAN, PROFILE, RECOMMENDATIONS)["docs/pipeline.md"]
    assert "orders.csv`: events: for a test. 12 rows, 9 kept." in text
    assert "| duplicate order_id | 1 |" in text
    assert "### Applied\n\n- `bronze.orders.key.order_id`: it is unique" in text
    assert "- `gold.x.transform.y`: skewed \\| so *wait*" in text
    assert "| `items.order_no` | `orders.order_id` | `customer_id`, `ordered_at` |" in text
    assert "`N/A` is missing; lower case; missing values become web, the mode" in text


def test_findings_are_read_as_they_were_meant() -> None:
    findings = yaml.safe_load(render(PLAN, PROFILE)["findings.yaml"])
    orders = findings["files"][0]
    assert orders["rows"] == 12
    assert orders["rows_kept"] == 9
    assert orders["rows_quarantined"] == {"duplicate order_id": 1, "missing customer_id": 2}
    assert orders["columns"][1] == {
        "name": "Customer",
        "becomes": "customer_id",
        "role": "entity",
        "type": "text",
        "stored_as": "VARCHAR",
        "missing": 0,
        "distinct": 0,
        "use": "key of the customer",
    }
    assert findings["preview"] == {
        "feature_timestamp": "2024-04-01 00:00:00",
        "customers_at_risk": 1234,
        "churn_rate": 0.256,
    }
    assert findings["features"] == len(PLAN.features)
    assert findings["reviews"] == list(PLAN.reviews)
    table = yaml.safe_load(render(TABLE)["findings.yaml"])
    assert table["files"][0]["columns"][2]["name"] == HOSTILE
    assert table["outcome"]["churned_values"] == ["yes"]


def test_uses_of_columns() -> None:
    by_name = dict(zip((c.name for c in PLAN.sources[1].columns), column_uses(PLAN, PLAN.sources[1]), strict=True))
    assert by_name == {
        "order_no": "key of the row; points at orders",
        "line_no": "key of the row",
        "sku": "points at products",
        "quantity": "sum; part of line_amount",
        "price": "part of line_amount",
    }
    products = PLAN.source("products")
    assert column_uses(PLAN, products) == ["key of the row", "brought to items"]


def test_groups_count_all_features() -> None:
    assert sum(row[-1] for row in feature_groups(PLAN)) == len(PLAN.features)


def test_without_counts_nothing_is_said_of_rows() -> None:
    bare = replace(PLAN, sources=PLAN.sources[3:], settings=settings(active_window="60d", horizon="30d"))
    assert row_changes(bare, None) == []
