"""Clean training sets: simulated worlds of either definition of churn, tables without dates, and the real data sets.

Features of events are made by the package's own `window_features`, from what was visible; labels by plain SQL.
"""

from __future__ import annotations

import gzip
import io
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from python_ml.dbt import Feature
from python_ml.simulate import World, write_world
from tests.python.temporal.engine import MacroCompiler

SPAN = 30  # days from a feature time to the end of its label, in the contractual world
TIME = "%Y-%m-%d %H:%M:%S"

MEASURES = [
    {"name": "amount", "expression": "amount", "type": "decimal(12, 2)", "aggregates": ["sum", "mean", "max"]},
]
WINDOWS = ["30d", "90d", "all_time"]
EVENTS = "select customer_id, event_at from orders order by customer_id, event_at"


@dataclass(frozen=True)
class Clean:
    """A training set without a leak.

    Attributes
    ----------
    name : str
    frame : pandas.DataFrame
        As gold.gld_training_set.
    features : list of Feature
        As the registry.
    entity : str
    dated : bool
    events : pandas.DataFrame or None
        ``customer_id`` and ``event_at`` of every order, also after the feature times, for windows that look ahead.
    """

    name: str
    frame: pd.DataFrame
    features: list[Feature]
    entity: str = "customer_id"
    dated: bool = True
    events: pd.DataFrame | None = None


@cache
def compiler() -> MacroCompiler:
    """Compiler of the package's macros, once in a process: dbt takes some seconds to start."""
    return MacroCompiler(Path(tempfile.mkdtemp(prefix="canaries_")))


def windows(source: str, events: str, measures: list[dict[str, Any]], names: list[str] | None = None) -> str:
    """SQL of the window features of some events."""
    declared = {
        "spine": "spine",
        "events": events,
        "source": source,
        "entity": "customer_id",
        "event_at": "event_at",
        "available_at": "available_at",
        "measures": measures,
        "windows": names or WINDOWS,
    }
    return compiler().sql("window_features", declared)


def contractual(customers: int, months: int, seed: int) -> Clean:
    """A simulated world whose customers end their subscriptions."""
    with _simulated(customers, months, seed) as connection:
        connection.execute(f"""
            create table at_risk as
            select customer_id, feature_timestamp, max(left_then) as churned, any_value(plan) as plan,
                any_value(price) as price, any_value(tenure) as tenure
            from (
                select s.customer_id, t.feature_timestamp, s.plan, s.price,
                    date_diff('day', s.started_at, t.feature_timestamp) as tenure,
                    coalesce(s.ended_at < t.feature_timestamp + interval {SPAN} day, false)::int as left_then
                from subscriptions as s
                join times as t on greatest(s.started_at, s.available_at) < t.feature_timestamp
                    and coalesce(s.ended_at >= t.feature_timestamp, true)
            )
            group by customer_id, feature_timestamp
        """)
        connection.execute("create table spine as select customer_id, feature_timestamp from at_risk")
        frame = connection.execute(f"""
            select r.customer_id, r.feature_timestamp, r.plan as subscription_plan,
                r.price as subscription_price, r.tenure as subscription_days_since_start,
                c.acquisition_channel as customer_channel, c.birth_year as customer_birth_year,
                o.* exclude (customer_id, feature_timestamp), k.* exclude (customer_id, feature_timestamp),
                r.churned, r.feature_timestamp + interval {SPAN} day as label_timestamp
            from at_risk as r
            left join customers as c using (customer_id)
            left join ({windows("orders", "orders", MEASURES)}) as o using (customer_id, feature_timestamp)
            left join ({windows("tickets", "tickets", [_SATISFACTION])}) as k using (customer_id, feature_timestamp)
            order by feature_timestamp, customer_id
        """).df()
        events = connection.execute(EVENTS).df()
    name = f"contract {customers:,} x {months} months, seed {seed}"
    return Clean(name, frame, registry(frame), events=events)


_SATISFACTION = {
    "name": "satisfaction",
    "expression": "satisfaction",
    "type": "decimal(3, 0)",
    "aggregates": ["mean", "min"],
}


def shop(customers: int, months: int, seed: int) -> Clean:
    """The same simulated world without its contracts: who orders nothing for 60 days has churned."""
    with _simulated(customers, months, seed) as connection:
        frame = _inactivity(connection, active=120, horizon=60)
        events = connection.execute(EVENTS).df()
    return Clean(f"shop {customers:,} x {months} months, seed {seed}", frame, registry(frame), events=events)


def _inactivity(connection: duckdb.DuckDBPyConnection, active: int, horizon: int) -> pd.DataFrame:
    """Customers at risk (active lately) of ``orders`` at the ``times``; churned when nothing follows in the horizon."""
    connection.execute(f"""
        create table spine as
        select customer_id, feature_timestamp
        from (select distinct customer_id from orders) as c, times
        where exists (
            select 1 from orders as o where o.customer_id = c.customer_id
            and greatest(o.event_at, o.available_at) < feature_timestamp
            and o.event_at >= feature_timestamp - interval {active} day
        ) and feature_timestamp + interval {horizon} day <= (select max(event_at) from orders)
    """)
    return connection.execute(f"""
        with labels as (
            select s.customer_id, s.feature_timestamp, (count(o.event_at) = 0)::int as churned
            from spine as s
            left join orders as o on o.customer_id = s.customer_id and o.event_at >= s.feature_timestamp
                and o.event_at < s.feature_timestamp + interval {horizon} day
            group by all
        )
        select f.*, churned, feature_timestamp + interval {horizon} day as label_timestamp
        from ({windows("orders", "orders", MEASURES, ["30d", "60d", "180d", "all_time"])}) as f
        join labels using (customer_id, feature_timestamp)
        order by feature_timestamp, customer_id
    """).df()


class _simulated:  # noqa: N801 - reads like a function
    """A connection to the typed tables of a simulated world, and to the months' beginnings as `times`."""

    def __init__(self, customers: int, months: int, seed: int) -> None:
        self.world = World(customers=customers, months=months, seed=seed)

    def __enter__(self) -> duckdb.DuckDBPyConnection:
        self.folder = tempfile.TemporaryDirectory(prefix="canary_")
        out = Path(self.folder.name) / "world"
        write_world(self.world, out, "parquet")
        self.connection = connection = duckdb.connect(config={"threads": 1})

        def raw(table: str) -> str:
            return f"read_parquet('{out}/{table}.parquet')"

        def typed(table: str, key: str, columns: str, where: str) -> str:
            return (
                f"select distinct on ({key}) {columns} from {raw(table)} where {where} "
                f"order by {key}, try_cast(available_at as timestamp)"
            )

        connection.execute(f"""
            create table orders as {
            typed(
                "raw_app__orders",
                "order_id",
                "trim(customer_id) as customer_id, try_cast(ordered_at as timestamp) as event_at, "
                "coalesce(try_cast(available_at as timestamp), try_cast(ordered_at as timestamp)) as available_at, "
                "try_cast(amount as decimal(12, 2)) as amount",
                "try_cast(ordered_at as timestamp) between timestamp '2000-01-01' and timestamp '2100-01-01' "
                "and customer_id is not null",
            )
        };
            create table tickets as {
            typed(
                "raw_support__tickets",
                "ticket_id",
                "trim(customer_id) as customer_id, try_cast(opened_at as timestamp) as event_at, "
                "coalesce(try_cast(available_at as timestamp), try_cast(opened_at as timestamp)) as available_at, "
                "try_cast(satisfaction as integer) as satisfaction",
                "try_cast(opened_at as timestamp) is not null",
            )
        };
            create table subscriptions as {
            typed(
                "raw_app__subscriptions",
                "subscription_id",
                "trim(customer_id) as customer_id, lower(trim(plan)) as plan, "
                "try_cast(price_at_start as double) as price, try_cast(started_at as timestamp) as started_at, "
                "try_cast(available_at as timestamp) as available_at, try_cast(ended_at as timestamp) as ended_at",
                "try_cast(started_at as timestamp) is not null",
            )
        };
            create table customers as
            select distinct on (customer_id) trim(customer_id) as customer_id,
                lower(trim(acquisition_channel)) as acquisition_channel, try_cast(birth_year as double) as birth_year
            from {raw("raw_app__customers")} order by customer_id, updated_at;
        """)
        connection.execute("create table times (feature_timestamp timestamp)")
        firsts = [self.world.moment(day) for day in self.world.month_starts[3:-1]]
        connection.executemany("insert into times values (?)", [[first] for first in firsts])
        return connection

    def __exit__(self, *error: object) -> None:
        self.connection.close()
        self.folder.cleanup()


def undated(rows: int, seed: int) -> Clean:
    """A table without dates whose outcome hangs on tenure, contract and price, as strongly as in public ones."""
    rng = np.random.default_rng(seed)
    tenure, price = rng.integers(0, 73, rows), np.round(20 + rng.gamma(2, 20, rows), 2)
    contract = rng.choice(["monthly", "yearly", "two years"], rows, p=[0.55, 0.21, 0.24])
    odds = (
        0.2
        - 0.05 * tenure
        + 0.02 * (price - 60)
        + np.select([contract == "monthly", contract == "yearly"], [1.2, -0.4], -2)
    )
    frame = pd.DataFrame(
        {
            "customer_id": [f"K{n:06d}" for n in rng.permutation(rows)],
            "feature_timestamp": pd.Timestamp("1970-01-01"),
            "label_timestamp": pd.Timestamp("1970-01-01"),
            "tenure": tenure.astype(float),
            "price": price,
            "total": np.round(price * tenure * rng.normal(1, 0.05, rows), 2),
            "contract": contract,
            "channel": rng.choice(["web", "shop", "phone"], rows),
            "postcode": [f"P{n:04d}" for n in rng.integers(0, 1500, rows)],
            "score": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows)),
            "churned": (rng.random(rows) < 1 / (1 + np.exp(-odds))).astype(int),
        }
    )
    return Clean(f"undated {rows:,} rows, seed {seed}", frame, registry(frame), dated=False)


def registry(frame: pd.DataFrame, entity: str = "customer_id") -> list[Feature]:
    """The registry that `window_features` and attributes would have, read from the names."""
    features = [Feature(entity, "key", "varchar"), Feature("feature_timestamp", "time", "timestamp")]
    for name in frame.columns:
        if name in (entity, "feature_timestamp", "label_timestamp", "churned"):
            continue
        values = frame[name]
        kind = "double" if pd.api.types.is_numeric_dtype(values) else "varchar"
        kind = "timestamp" if pd.api.types.is_datetime64_any_dtype(values) else kind
        parts = name.split("_")
        meta: dict[str, str] = {}
        if parts[0] in ("orders", "tickets"):
            meta["source"] = parts[0]
            rest = name.removeprefix(f"{parts[0]}_")
            window = next((w for w in ("30d", "60d", "90d", "180d", "all_time") if rest.endswith(f"_{w}")), None)
            meta["window"] = window or "all_time"
            body = rest.removesuffix(f"_{window}") if window else rest
            measure, _, aggregate = body.rpartition("_") if window else ("", "", body)
            meta |= {"aggregate": aggregate} | ({"measure": measure} if measure else {})
        else:
            meta["aggregate"] = "attribute"
        features.append(Feature(name, "feature", kind, **meta))
    return features


# Honest worlds that look like leaks.


def usage(users: int, seed: int) -> Clean:
    """Log-ins: a few people come every week until they stop, most come once or twice; honest counts reach 0.97."""
    rng = np.random.default_rng([seed, 1])
    kind = rng.choice(["regular", "once", "twice"], users, p=[0.3, 0.5, 0.2])
    rows = []
    for user, what in enumerate(kind):
        start = rng.uniform(0, 300)
        if what == "regular":
            stay = min(rng.exponential(700), 365 - start)
            days = start + np.cumsum(rng.uniform(4, 10, 1 + int(stay / 4)))
            days = days[days < start + stay]
        else:
            days = start + np.concatenate([[0.0], rng.uniform(1, 60, int(what == "twice"))])
        rows += [(f"U{user:05d}", day) for day in days if day < 365]
    return _events_world(f"usage {users:,} users, seed {seed}", rows, active=60, horizon=14)


def clicks(users: int, seed: int) -> Clean:
    """Clicks at a constant rate for each user, very different between users: nobody ever churns for a reason."""
    rng = np.random.default_rng([seed, 2])
    rate = rng.lognormal(np.log(0.05), 1.4, users)  # a day
    rows = [
        (f"U{user:05d}", day)
        for user, each in enumerate(rate)
        for day in np.sort(rng.uniform(0, 540, min(rng.poisson(each * 540), 400)))
    ]
    return _events_world(f"clicks {users:,} users, seed {seed}", rows, active=180, horizon=30)


def one_purchase(customers: int, seed: int) -> Clean:
    """A shop in which hardly anybody buys twice: windows differ only by how long ago the one purchase was."""
    rng = np.random.default_rng([seed, 3])
    rows = []
    for customer in range(customers):
        first = rng.uniform(0, 500)
        rows.append((f"K{customer:05d}", first))
        if rng.random() < 0.06:
            rows.append((f"K{customer:05d}", first + rng.exponential(90)))
    return _events_world(f"one purchase {customers:,} customers, seed {seed}", rows, active=180, horizon=90)


def _events_world(name: str, rows: list[tuple[str, float]], active: int, horizon: int) -> Clean:
    """Window features and inactivity labels of events at these days since 2023-01-01."""
    events = pd.DataFrame(rows, columns=["customer_id", "day"])
    events["event_at"] = pd.Timestamp("2023-01-01") + pd.to_timedelta((events.pop("day") * 86_400).round(), unit="s")
    amount = np.round(5 + np.random.default_rng(0).gamma(2.0, 15.0, len(events)), 2)
    return _real_shop(name, events.assign(amount=amount), active, horizon)


def terms(customers: int, months: int, seed: int, *, dated: bool = True) -> Clean:
    """Yearly contracts whose honest attributes are strong and sudden: the days left, renewal switched off, complaints.

    All of it is known at the feature time. Undated: one row of each customer, at a month that is drawn by chance.
    """
    rng = np.random.default_rng([seed, 4])
    rows = []
    for customer in range(customers):
        joined, plan = int(rng.integers(0, 360)), rng.choice(["basic", "plus", "team"], p=[0.5, 0.3, 0.2])
        region, agent = int(rng.integers(0, 12)), int(rng.integers(0, 150))
        off_since = np.inf
        for month in range(months):
            tenure = 30 * month + 12 + joined % 30
            days_left = 365 - (joined + 30 * month) % 365
            failed = rng.poisson(0.06)
            complaint = rng.choice(["none", "billing", "quality"], p=[0.92, 0.04, 0.04])
            if np.isinf(off_since) and rng.random() < {"basic": 0.05, "plus": 0.03, "team": 0.01}[plan]:
                off_since = month
            hazard = 0.015 + 0.10 * (failed > 0) + 0.12 * (complaint == "quality")
            if days_left <= 30:
                hazard += 0.55 if off_since <= month else 0.04
            churned = rng.random() < hazard
            rows.append(
                (
                    f"T{customer:05d}",
                    month,
                    plan,
                    float(days_left),
                    "off" if off_since <= month else "on",
                    float(failed),
                    complaint,
                    float(tenure),
                    f"region {region}",
                    agent,
                    np.nan if rng.random() < (0.55 if churned else 0.4) else float(rng.integers(1, 6)),
                    int(churned),
                )
            )
            if churned:
                break
    frame = pd.DataFrame(
        rows,
        columns=[
            "customer_id",
            "month",
            "plan",
            "days_left",
            "renewal",
            "failed_payments",
            "complaint",
            "tenure",
            "region",
            "agent",
            "survey",
            "churned",
        ],
    )
    # The churn rate of an agent's customers in earlier years, rounded: an honest encoding.
    frame["agent_rate"] = np.round(rng.binomial(25, 0.05 + 0.001 * np.arange(150)) / 25, 3)[frame.pop("agent")]
    times = pd.Timestamp("2023-02-01") + pd.to_timedelta(30 * frame.pop("month"), unit="D")
    if not dated:
        kept = frame.assign(draw=rng.random(len(frame))).groupby("customer_id")["draw"].idxmax()
        frame, times = frame.loc[kept], pd.Timestamp("1970-01-01")
    ends = times + pd.Timedelta(days=30) if dated else times
    frame = frame.assign(feature_timestamp=times, label_timestamp=ends).reset_index(drop=True)
    kind = "terms" if dated else "terms, undated"
    return Clean(f"{kind} {customers:,} customers, seed {seed}", frame, registry(frame), dated=dated)


def log_ins(case: Path) -> Clean:
    """Log-ins of a file with ``time_stamp`` and ``user_id``; who does not come for 14 days has churned."""
    visits = pd.read_csv(case / "logins.csv")
    events = pd.DataFrame(
        {"customer_id": visits["user_id"].astype(str), "event_at": pd.to_datetime(visits["time_stamp"])}
    )
    return _real_shop(case.name, events.assign(amount=1.0), active=90, horizon=14, first=30, step=7)


# Real data, read where it lies.


def telco(data: Path) -> Clean:
    """IBM Telco: one undated snapshot."""
    frame = pd.read_csv(data / "telco" / "Telco-Customer-Churn.csv")
    frame["TotalCharges"] = pd.to_numeric(frame["TotalCharges"], errors="coerce")
    return _snapshot("telco", frame, "customerID", frame.pop("Churn") == "Yes")


def retail(data: Path, with_mail: bool = False) -> Clean:
    """Retail retention: a snapshot whose e-mail columns are leaks; without them by default."""
    with gzip.open(data / "retail_retention" / "customer_retention_retail.csv.gz", "rb") as file:
        frame = pd.read_csv(io.BytesIO(file.read()), encoding="utf-8-sig")
    frame = frame[frame["custid"].notna()].drop_duplicates("custid").reset_index(drop=True)
    created = pd.to_datetime(frame.pop("created"), format="%m/%d/%y", errors="coerce")
    frame["days_since_created"] = (created.max() - created).dt.days.astype(float)
    frame = frame.drop(
        columns=["firstorder", "lastorder", *([] if with_mail else ["esent", "eopenrate", "eclickrate"])]
    )
    return _snapshot(
        "retail retention" + (" with e-mail" if with_mail else ""), frame, "custid", frame.pop("retained") == 0
    )


def _snapshot(name: str, frame: pd.DataFrame, key: str, churned: pd.Series) -> Clean:
    frame = frame.rename(columns={key: "customer_id"}).assign(
        feature_timestamp=pd.Timestamp("1970-01-01"),
        label_timestamp=pd.Timestamp("1970-01-01"),
        churned=churned.astype(int),
    )
    return Clean(name, frame, registry(frame), dated=False)


def cdnow(data: Path) -> Clean:
    """CDNOW: purchases of a shop without contracts."""
    with gzip.open(data / "cdnow" / "CDNOW_master.txt.gz", "rt") as file:
        lines = pd.read_csv(file, sep=r"\s+", dtype={"customer_id": str, "date": str})
    orders = pd.DataFrame(
        {
            "customer_id": lines["customer_id"],
            "event_at": pd.to_datetime(lines["date"], format="%Y%m%d"),
            "amount": lines["dollar_value"],
        }
    )
    return _real_shop("cdnow", orders)


def online_retail(data: Path) -> Clean:
    """UCI Online Retail II, first year: invoices of a shop without contracts."""
    lines = pd.read_parquet(data / "online_retail" / "year_2009_2010.parquet")
    lines = lines[lines["customer_id"].notna() & (lines["quantity"] > 0)]
    spent = lines.assign(amount=lines["quantity"] * lines["unit_price"])
    orders = spent.groupby("invoice_no").agg(
        customer_id=("customer_id", "first"), event_at=("invoice_ts", "min"), amount=("amount", "sum")
    )
    return _real_shop("online retail", orders.assign(customer_id=orders["customer_id"].astype(str)))


def ravenstack(data: Path) -> Clean:
    """RavenStack: usage of subscriptions, without any signal."""
    subscriptions = pd.read_csv(data / "ravenstack" / "subscriptions.csv.gz")
    usage = pd.read_csv(data / "ravenstack" / "feature_usage.csv.gz").merge(
        subscriptions[["subscription_id", "account_id"]], on="subscription_id"
    )
    orders = pd.DataFrame(
        {
            "customer_id": usage["account_id"],
            "event_at": pd.to_datetime(usage["usage_date"]),
            "amount": usage["usage_count"].astype(float),
        }
    )
    return _real_shop("ravenstack", orders, active=60, horizon=14)


def _real_shop(
    name: str, orders: pd.DataFrame, active: int = 180, horizon: int = 90, first: int = 120, step: int = 0
) -> Clean:
    """A shop without contracts from its orders; feature times every ``step`` days, or every month."""
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("incoming", orders)
        connection.execute(
            "create table orders as select customer_id, event_at::timestamp as event_at, event_at::timestamp as "
            "available_at, amount::decimal(12, 2) as amount from incoming"
        )
        connection.execute(
            f"create table times as select unnest(generate_series(min(event_at) + interval {first} day, max(event_at), "
            f"interval '{f'{step} days' if step else '1 month'}'))::date::timestamp as feature_timestamp from orders"
        )
        frame = _inactivity(connection, active, horizon)
    return Clean(name, frame, registry(frame))


REAL: dict[str, Callable[[Path], Clean]] = {
    "telco": telco,
    "retail retention": retail,
    "cdnow": cdnow,
    "online retail": online_retail,
    "ravenstack": ravenstack,
}


def real(data: Path) -> Iterator[Clean]:
    """The real data sets that are there."""
    for make in REAL.values():
        try:
            yield make(data)
        except FileNotFoundError:
            continue
