-- grain: one customer and number; each aggregate that engines write in their own way
with

orders as {{ customer_retention.materialized_cte() }} (
    select
        *,
        {{ customer_retention.epoch_us('ordered_at') }} as ordered_us
    from {{ ref('stg_orders') }}
),

aggregated as (
    select
        customer_id,
        {{ customer_retention.latest_value('channel', ['ordered_us', 'amount', 'order_id']) }} as last_channel,
        {{ customer_retention.earliest_value('channel', ['ordered_us', 'amount', 'order_id']) }} as first_channel,
        {{ customer_retention.latest_value('amount', ['ordered_us']) }} is null as has_no_amount,
        {{ customer_retention.bit_or_agg('items') }} as item_bits,
        cast({{ customer_retention.wide_sum('9223372036854775807') }} as decimal(38, 0)) as far_more_than_a_bigint
    from orders
    group by customer_id
)

select
    *,
    {{ customer_retention.explode_range('-1', 'item_bits - 2') }} as number
from aggregated
