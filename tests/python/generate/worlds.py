"""One small world for each kind of outcome: rows of raw files, and the plan that reads them."""

from __future__ import annotations

from dataclasses import replace

from python_ml.feature_columns import Measure
from python_ml.ingest.schema import Conversion, Reading
from python_ml.plan.schema import (
    AsOf,
    Brought,
    DerivedColumn,
    EndDate,
    Imputation,
    Inactivity,
    LabelTable,
    Link,
    ReversalPlan,
)
from tests.python.generate.plans import (
    BOOLEAN,
    DECIMAL,
    INTEGER,
    TIME,
    attribute,
    column,
    project,
    settings,
    source,
)

PLAUSIBLE = {"plausible_from": "2000-01-01", "plausible_to": "2100-01-01"}
GRID = {"horizon": "30d", "gap": "0d", "step": "30d", "spine_anchor": "2024-05-01", "spine_start": "2024-02-01"}
DAYS_SINCE = "cast({{{{ dbt.datediff('{0}', 'feature_timestamp', 'day') }}}} as double)"


def customer(**more):
    """The customer's column."""
    return column("customer_id", role="entity", **more)


# --- inactivity, with links, attributes, a history, versions, returns and imputation ---

ORDERS = source(
    "orders",
    [
        column("order_id", role="key", raw="Order no"),
        customer(raw="Customer"),
        column("ordered_at", TIME, "time", raw="Ordered at"),
        column("loaded_at", TIME, "available"),
        column("channel", fold_case="lower", null_values=("N/A",), imputation=Imputation("mode", "web")),
        column("amount", DECIMAL, must_be_readable=True, low=0.0, high=100.0),
        column("rating", INTEGER, low=0.0, high=5.0, is_bounded=True, imputation=Imputation("forward_fill")),
    ],
    use="events",
    entity="customer_id",
    time="ordered_at",
    available="loaded_at",
    key=("order_id",),
    nobody=("guest",),
    measures=(Measure("amount", "amount", ("sum", "mean"), type="decimal(18, 2)"),),
    rhythm=("active_days",),
    windows=("30d", "all_time"),
)
PRODUCTS = source(
    "products", [column("sku", role="key"), column("category")], key=("sku",), is_static=True, use="lookup"
)
ITEMS = source(
    "items",
    [
        column("order_no"),
        column("line_no", INTEGER),
        column("sku"),
        column("quantity", DECIMAL),
        column("price", DECIMAL),
    ],
    use="events",
    entity="customer_id",
    time="ordered_at",
    known="known_at",
    key=("order_no", "line_no"),
    links=(
        Link("products", ("sku",), ("sku",), "case", (Brought("category", "category", "value", column("category")),)),
        Link(
            "orders",
            ("order_no",),
            ("order_id",),
            "exact",
            (Brought("customer_id", "customer_id", "entity"), Brought("ordered_at", "ordered_at", "time")),
        ),
    ),
    derived=(DerivedColumn("line_amount", "quantity * price", "Quantity times price."),),
    reversal=ReversalPlan(
        "returns",
        "quantity < 0",
        "a negative quantity",
        1,
        (Measure("quantity", "quantity", ("sum",), type="decimal(18, 2)"),),
    ),
    measures=(
        Measure("line_amount", "line_amount", ("sum",), type="decimal(18, 4)"),
        Measure("category", "category", ("nunique", "count"), type="text", values=("tea", "it's {{ 1 }}")),
    ),
    windows=("all_time",),
)  # fmt: skip
CUSTOMERS = source(
    "customers",
    [customer(), column("signed_up_at", TIME), column("region"), column("is_trade", BOOLEAN)],
    use="attributes",
    entity="customer_id",
    time="signed_up_at",
    key=("customer_id",),
    attributes=(
        attribute("customer_days_since_signed_up_at", DAYS_SINCE.format("signed_up_at"), "double", "signed_up_at"),
        attribute(
            "days_since_signed_up_at",
            f"case when signed_up_at < feature_timestamp then {DAYS_SINCE.format('signed_up_at')} end",
            "double",
        ),
        attribute("customer_region", "region"),
        attribute("is_trade", data_type="boolean"),
    ),
)
PLANS = source(
    "plans",
    [customer(), column("changed_at", TIME, "time"), column("plan")],
    use="history",
    entity="customer_id",
    time="changed_at",
    key=("customer_id", "changed_at"),
    attributes=(attribute("plan"),),
)
INACTIVITY = project(
    [ORDERS, ITEMS, PRODUCTS, CUSTOMERS, PLANS],
    Inactivity("orders"),
    settings=settings(entity="customer_id", active_window="60d", windows="30d, all_time", **GRID, **PLAUSIBLE),
)


def order(number: int, who: str, at: str, amount: str = "10.00", **more) -> dict:
    """A row of the orders."""
    row = {"Order no": f"O{number}", "Customer": who, "Ordered at": at, "loaded_at": at, "channel": "Web"}
    return {**row, "amount": amount, "rating": "3", **more}


INACTIVITY_ROWS = {
    "orders": [
        order(1, "A", "2024-01-05"),
        order(2, "A", "2024-02-10", "7.50", rating=""),
        order(2, "A", "2024-02-12", "9.99"),
        order(3, "B", "2024-01-20", channel="N/A"),
        order(4, "guest", "2024-02-01"),
        order(5, "", "2024-02-01"),
        order(6, "B", "2024-03-15", "x"),
        order(7, "B", "2024-03-20", rating="9"),
        order(8, "A", "2024-04-20", "500"),
        order(9, "C", "2024-05-15", loaded_at="2024-05-20"),
        order(10, "C", "1024-05-15"),
        order(11, "C", "soon"),
    ],
    "items": [
        {"order_no": "O1", "line_no": "1", "sku": "t1", "quantity": "2", "price": "3.00"},
        {"order_no": "O1", "line_no": "2", "sku": "S2", "quantity": "1", "price": "4.00"},
        {"order_no": "O1", "line_no": "2", "sku": "S2", "quantity": "1", "price": "4.00"},
        {"order_no": "O2", "line_no": "1", "sku": "X9", "quantity": "1", "price": "7.50"},
        {"order_no": "O3", "line_no": "1", "sku": "T1", "quantity": "-1", "price": "3.00"},
        {"order_no": "O4", "line_no": "1", "sku": "T1", "quantity": "1", "price": "3.00"},
        {"order_no": "", "line_no": "1", "sku": "T1", "quantity": "1", "price": "3.00"},
    ],
    "products": [
        {"sku": "T1", "category": "tea"},
        {"sku": "t1", "category": "tea"},
        {"sku": "s2", "category": "it's {{ 1 }}"},
    ],
    "customers": [
        {"customer_id": "A", "signed_up_at": "2024-01-01", "region": "north", "is_trade": "yes"},
        {"customer_id": "B", "signed_up_at": "2024-02-20", "region": "south", "is_trade": "no"},
    ],
    "plans": [
        {"customer_id": "A", "changed_at": "2024-01-01", "plan": "basic"},
        {"customer_id": "A", "changed_at": "2024-03-10", "plan": "pro"},
    ],
}

# --- the end of a coverage that stands in one row with its start ---

SUBSCRIPTIONS = source(
    "subscriptions",
    [
        column("subscription_id", role="key"),
        customer(),
        column("created", TIME, "time"),
        column("cancelled", TIME),
        column("seats", INTEGER),
    ],
    use="spans",
    entity="customer_id",
    time="created",
    ended="cancelled",
    key=("subscription_id",),
    measures=(Measure("seats", "seats", ("last",), type="decimal(18, 0)"),),
    windows=("all_time",),
)
CAMPAIGNS = source(
    "campaigns",
    [column("campaign_id", role="key"), column("created_at", TIME, "time"), column("theme")],
    use="lookup",
    time="created_at",
    key=("campaign_id",),
)
QUOTES = source(
    "quotes",
    [
        column("quote_id", role="key"),
        customer(),
        column("campaign_id"),
        column("quoted_at", TIME, "time"),
        column("changed_at", TIME, "changed"),
        column("amount", DECIMAL),
    ],
    links=(
        Link(
            "campaigns",
            ("campaign_id",),
            ("campaign_id",),
            "exact",
            (Brought("theme", "theme", "value", column("theme")),),
        ),
    ),
    use="events",
    entity="customer_id",
    time="quoted_at",
    available="changed_at",
    superseded="superseded_at",
    key=("quote_id",),
    measures=(Measure("amount", "amount", ("sum",), type="decimal(18, 2)"),),
    windows=("all_time",),
)
SPANS = project(
    [SUBSCRIPTIONS, QUOTES, CAMPAIGNS],
    EndDate("subscriptions", grace="1d"),
    name="spans",
    settings=settings(entity="customer_id", windows="all_time", **GRID, **PLAUSIBLE),
)


def subscription(number: int, who: str, created: str, cancelled: str = "") -> dict:
    """A row of the subscriptions."""
    return {
        "subscription_id": f"S{number}",
        "customer_id": who,
        "created": created,
        "cancelled": cancelled,
        "seats": str(number),
    }


SPANS_ROWS = {
    "subscriptions": [
        subscription(1, "A", "2024-01-05", "2024-03-10"),  # ends, and is not continued
        subscription(2, "B", "2024-01-05", "2024-03-10"),  # an upgrade on the same day
        subscription(3, "B", "2024-03-10"),
        subscription(4, "C", "2024-01-05"),
        subscription(5, "D", "2024-01-05", "2024-06-20"),
    ],
    "quotes": [
        {"quote_id": "Q1", "customer_id": "C", "campaign_id": "K1", "quoted_at": "2024-01-10"}
        | {"changed_at": changed, "amount": amount}
        for changed, amount in (
            ("2024-01-10", "1.00"),
            ("2024-02-10", "20.00"),
            ("2024-04-10", "300.00"),
            ("2024-04-10", "999.00"),
        )
    ],
    "campaigns": [{"campaign_id": "K1", "created_at": "2024-02-01", "theme": "spring"}],
}

# --- departures and returns, each with a time only ---

SIGNUPS = source(
    "signups",
    [customer(), column("joined", TIME, "time")],
    use="attributes",
    entity="customer_id",
    time="joined",
    key=("customer_id",),
    attributes=(attribute("days_since_joined", DAYS_SINCE.format("joined"), "double", "joined"),),
)
EXITS = source(
    "exits", [customer(), column("left_at", TIME, "time")], use="spans", entity="customer_id", time="left_at"
)
RETURNS = source(
    "comebacks", [customer(), column("back_at", TIME, "time")], use="events", entity="customer_id", time="back_at"
)
CALLS = source(
    "calls",
    [
        customer(),
        column("called_on", Reading("timestamp", formats=("%d.%m.%Y",), clock_column="Clock"), "time", raw="Day"),
        column("clock", raw="Clock"),
        column("minutes", Reading("decimal", style="decimal_comma")),
    ],
    use="events",
    entity="customer_id",
    time="called_on",
    has_rejected=True,
    has_row_number=True,
    conversion=Conversion("csv", {"encoding": "cp1252"}, "0" * 64),
    measures=(Measure("minutes", "minutes", ("sum",), type="decimal(18, 2)"),),
    windows=("all_time",),
)
DEPARTURES = project(
    [EXITS, SIGNUPS, RETURNS, CALLS],
    EndDate("exits", starts="signups", returns="comebacks"),
    name="departures",
    settings=settings(entity="customer_id", windows="all_time", **GRID, **PLAUSIBLE),
)
# The file behind it is converted to parquet, so these rows are those of the parquet file.
CALLS_ROWS = [
    ("A", "10.01.2024", "23:30", "1,5", None, None, None),
    ("A", "10.01.2024", "23:30", "1,5", None, None, None),
    ("B", "31.01.2024", "12:00", "2", None, None, None),
    ("B", "01.02.2024", "00:00", "4", None, None, None),
    ("B", "01.02.2024", "soon", "8", None, None, None),
    (None, None, None, None, 7, "B;x", "wrong number of fields"),
]
DEPARTURES_ROWS = {
    "signups": [
        {"customer_id": "A", "joined": "2024-01-05"},
        {"customer_id": "B", "joined": "2024-01-05"},
        {"customer_id": "C", "joined": "2024-01-05"},
    ],
    "exits": [
        {"customer_id": "A", "left_at": "2024-02-20"},
        {"customer_id": "A", "left_at": "2024-04-20"},
        {"customer_id": "B", "left_at": "2024-03-20"},
        {"customer_id": "B", "left_at": "2024-06-20"},
    ],
    "comebacks": [{"customer_id": "A", "back_at": "2024-03-15"}, {"customer_id": "B", "back_at": "2024-03-20"}],
}

# --- supplied labels, each as of a time of its own, with events ---

LABELS = source(
    "labels",
    [
        customer(),
        column("as_of", TIME, "time", raw="As of"),
        column("state", role="label"),
        column("decided_at", TIME),
        column("part", role="label"),
        column("segment"),
    ],
    use="labels",
    entity="customer_id",
    time="as_of",
    key=("customer_id", "as_of"),
    attributes=(attribute("segment"),),
)
VISITS = replace(
    source("visits", [customer(), column("visited_at", TIME, "time")]),
    use="events",
    entity="customer_id",
    time="visited_at",
    windows=("30d",),
)
LABELLED = project(
    [VISITS, LABELS],
    LabelTable(
        "labels",
        "state",
        ("gone", "it's over"),
        "state",
        AsOf("column", "as_of", text="as of each row"),
        known="decided_at",
        split="part",
        split_values={"train": ("tr",), "test": ("te",)},
        scores="active",
        activity="visits",
        meaning="churned = `state` is gone or it's over",
        scenario_reason="the labels say as of when each customer is looked at",
    ),
    name="labelled",
    settings=settings(
        entity="customer_id", score_at="2024-03-31 00:00:00", active_window="30d", windows="30d", **PLAUSIBLE
    ),
)


def label(who: str, at: str, state: str, decided: str = "", part: str = "tr") -> dict:
    """A row of the labels."""
    row = {"customer_id": who, "As of": at, "state": state, "decided_at": decided}
    return {**row, "part": part, "segment": f"of {who}"}


LABELLED_ROWS = {
    "visits": [
        {"customer_id": "A", "visited_at": "2024-01-10"},
        {"customer_id": "A", "visited_at": "2024-03-20"},
        {"customer_id": "B", "visited_at": "2024-03-25"},
        {"customer_id": "C", "visited_at": "2024-01-31"},
    ],
    "labels": [
        label("A", "2024-01-31", "Active", "2024-02-29"),
        label("B", "2024-01-31", "It's over", "2024-02-29"),
        label("C", "2024-01-31", "GONE", "2024-02-29", "te"),
        label("C", "2024-01-31", "GONE", "2024-02-29", "te"),
        label("D", "2024-02-15", "", "", ""),
    ],
}

# --- a table with an outcome and no dates, and with a name that is text, whatever it looks like ---

HOSTILE = """it's "{{ 1 / 0 }}" {% raw %} {# é: &x *y, [z] \u2028"""

ACCOUNTS = source(
    "accounts",
    [
        customer(),
        column("tenure", INTEGER, raw="Tenure in months"),
        column("contract", raw=HOSTILE, description=f"As in {HOSTILE}."),
        column("churn", role="label", raw="Churn"),
    ],
    use="labels",
    entity="customer_id",
    key=("customer_id",),
    is_static=True,
    attributes=(
        attribute("tenure", "cast(tenure as double)", "double"),
        attribute("contract"),
    ),
)
TABLE = project(
    [ACCOUNTS],
    LabelTable(
        "accounts",
        "churn",
        ("yes",),
        "Churn",
        AsOf("constant", value="2000-01-01 00:00:00", is_snapshot=True),
        scenario="static",
        scenario_reason="no column says when anything was seen: one snapshot, measured by cross-validation",
    ),
    name="telco",
    settings=settings(entity="customer_id"),
)
TABLE_ROWS = {
    "accounts": [
        {"customer_id": "A", "Tenure in months": "3", HOSTILE: "monthly", "Churn": "Yes"},
        {"customer_id": "B", "Tenure in months": "40", HOSTILE: "yearly", "Churn": "No"},
        {"customer_id": "C", "Tenure in months": "", HOSTILE: "", "Churn": ""},
        {"customer_id": "A", "Tenure in months": "4", HOSTILE: "monthly", "Churn": "No"},
    ]
}

WORLDS = {
    plan.name: (plan, rows)
    for plan, rows in (
        (INACTIVITY, INACTIVITY_ROWS),
        (SPANS, SPANS_ROWS),
        (DEPARTURES, DEPARTURES_ROWS),
        (LABELLED, LABELLED_ROWS),
        (TABLE, TABLE_ROWS),
    )
}
