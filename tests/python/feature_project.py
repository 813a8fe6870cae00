"""A small project with a feature store: gold made by hand, with a manifest that describes it."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from python_ml.project import Project

COLUMNS = {
    # name: (type, role, source, description)
    "customer_id": ("varchar", "key", None, "Key of the customer"),
    "feature_timestamp": ("timestamp", "time", None, "As-of time"),
    "customer_plan": ("varchar", "feature", "customers", "Plan of the subscription"),
    "customer_opted_in": ("boolean", "feature", "customers", "Takes e-mails"),
    "customer_price": ("decimal(10,2)", "feature", "customers", "Price per month"),
    "customer_since": ("date", "feature", "customers", "First day"),
    "orders_count_30d": ("bigint", "feature", "orders", "Orders in 30 days"),
    "orders_visits_7d": ("integer", "feature", "orders", "Visits in 7 days"),
    "orders_amount_sum_30d": ("double", "feature", "orders", "Amount of orders in 30 days"),
    "orders_last_at": ("timestamp", "feature", "orders", "Time of the last order"),
}
T1, T2, T3 = datetime(2024, 1, 1), datetime(2024, 2, 1), datetime(2024, 3, 1)
ROWS = [
    ("a", T1, "basic", True, "9.99", "2023-05-01", 1, 2, 10.5, "2023-12-30 10:00:00"),
    ("a", T2, "basic", True, "9.99", "2023-05-01", 2, 3, 0.1 + 0.2, "2024-01-20 10:00:00.123456"),
    ("a", T3, "plus", None, "19.90", "2023-05-01", 3, 4, 1e-300, "2024-02-20 10:00:00"),
    ("b", T1, None, False, None, None, 0, 0, None, None),
    ("b", T2, 'ünïcode "q"', False, "0.01", "2023-12-31", 5, -1, -2.5, "2024-01-31 23:59:59.999999"),
    ("c", T2, "basic", True, "5.00", "2024-01-15", 7, 7, 7.0, "2024-01-16 00:00:00"),
    ("c", T3, "basic", True, "5.00", "2024-01-15", 8, 8, 8.0, "2024-02-16 00:00:00"),
]
ORDERS = ["orders_count_30d", "orders_visits_7d", "orders_amount_sum_30d", "orders_last_at"]
FEATURES = [name for name, (_, role, _, _) in COLUMNS.items() if role == "feature"]


def make_project(root: Path, settings: str = "") -> Project:
    """Write a built project: its configuration, manifest and gold."""
    (root / "target").mkdir(parents=True)
    (root / "dbt_project.yml").write_text("name: small_shop\nprofile: small_shop\nvars: {entity: customer_id}\n")
    (root / "profiles.yml").write_text(
        "small_shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: warehouse.duckdb}\n"
    )
    if settings:
        (root / "retention.yml").write_text(settings)
    write_manifest(root)
    with gold(root) as connection:
        types = ", ".join(f"{name} {kind}" for name, (kind, *_) in COLUMNS.items())
        connection.execute(f"create schema gold; create table gold.gld_customer_features ({types})")
        connection.executemany(f"insert into gold.gld_customer_features values ({', '.join('?' * len(COLUMNS))})", ROWS)
        connection.execute(
            "create view gold.gld_scoring_set as select * from gold.gld_customer_features "
            "where feature_timestamp = (select max(feature_timestamp) from gold.gld_customer_features)"
        )
    return Project.open(root)


def write_manifest(root: Path, columns: dict[str, tuple] | None = None) -> None:
    """Write dbt's manifest of the table."""
    described = {
        name: {
            "name": name,
            "data_type": kind,
            "description": description,
            "config": {"meta": {"role": role, "source": source, "window": "30d" if "30d" in name else None}},
        }
        for name, (kind, role, source, description) in (columns or COLUMNS).items()
    }
    node = {
        "resource_type": "model",
        "name": "gld_customer_features",
        "original_file_path": "models/gold.sql",
        "columns": described,
    }
    manifest = {"nodes": {"model.small_shop.gld_customer_features": node}}
    (root / "target" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def gold(root: Path) -> Any:
    """A connection that changes gold."""
    return duckdb.connect(str(root / "warehouse.duckdb"))


def gold_rows(root: Path, where: str = "true") -> list[dict[str, Any]]:
    """Rows of gold by customer and time."""
    with gold(root) as connection:
        query = f"select * from gold.gld_customer_features where {where} order by customer_id, feature_timestamp"
        return connection.sql(query).to_arrow_table().to_pylist()


def newest_rows(root: Path) -> dict[str, dict[str, Any]]:
    """Newest row of gold of each customer."""
    return {row["customer_id"]: row for row in gold_rows(root)}
