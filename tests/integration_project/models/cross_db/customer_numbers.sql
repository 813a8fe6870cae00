-- grain: one customer and number; a row for every whole number from -1 to two less than the customer's number of orders
with

orders_per_customer as (
    select
        customer_id,
        count(*) as order_count
    from {{ ref('stg_orders') }}
    group by customer_id
)

select
    *,
    {{ customer_retention.explode_range('-1', 'order_count - 2') }} as number
from orders_per_customer
