"""The raw tables of the simulated world: names and columns, in the order in which they are written.

The columns are described in ``seeds/_seeds.yml``; a test holds the two together.
"""

from __future__ import annotations

TABLES: dict[str, tuple[str, ...]] = {
    "raw_app__customers": (
        "customer_id", "signed_up_at", "country", "segment", "acquisition_channel", "marketing_opt_in", "birth_year",
        "updated_at", "account_closed_reason",
    ),
    "raw_app__customer_changes": (
        "change_id", "customer_id", "changed_at", "available_at", "country", "segment", "marketing_opt_in",
    ),
    "raw_app__subscriptions": (
        "subscription_id", "customer_id", "plan", "price_at_start", "started_at", "available_at", "ended_at",
        "ended_recorded_at",
    ),
    "raw_app__price_changes": (
        "price_change_id", "subscription_id", "customer_id", "changed_at", "available_at", "old_price", "new_price",
    ),
    "raw_app__orders": ("order_id", "customer_id", "ordered_at", "available_at", "category", "items", "amount"),
    "raw_support__tickets": (
        "ticket_id", "customer_id", "opened_at", "available_at", "channel", "topic", "priority", "satisfaction",
        "body",
    ),
    "raw_crm__offers": ("offer_id", "customer_id", "offered_at", "available_at", "arm", "discount_percent"),
    "raw_sim__true_hazard": ("customer_id", "as_of", "daily_hazard", "churn_probability_30d"),
    "raw_sim__true_uplift": (
        "offer_id", "customer_id", "drawn_at", "churn_probability_without_offer", "churn_probability_with_offer",
    ),
}  # fmt: skip

EVENT_AT = {
    "raw_app__customer_changes": "changed_at",
    "raw_app__price_changes": "changed_at",
    "raw_app__orders": "ordered_at",
    "raw_support__tickets": "opened_at",
    "raw_crm__offers": "offered_at",
}

FREE_TEXT = frozenset({"body"})  # the only columns whose values can need quotes in a CSV file
