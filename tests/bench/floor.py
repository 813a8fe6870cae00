"""L, the unit of every figure: one scan of the events and one hash group-by per customer, over all time."""

from __future__ import annotations

FLOOR = """
    select
        customer_id,
        count(*) as event_count,
        sum(amount) as amount_sum,
        avg(amount) as amount_mean,
        min(amount) as amount_min,
        max(amount) as amount_max,
        stddev_samp(amount) as amount_stddev,
        sum(items) as items_sum,
        avg(items) as items_mean,
        min(items) as items_min,
        max(items) as items_max,
        count(*) filter (where online) as online_count,
        bool_or(online) as online_any,
        sum(amount) filter (where online) as amount_online_sum,
        min(event_at) as first_event_at,
        max(event_at) as last_event_at
    from events
    group by customer_id
"""
