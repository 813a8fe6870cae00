-- grain: one order
select
    order_id,
    customer_id,
    channel,
    note,
    items,
    amount,
    weight,
    is_refunded,
    ordered_at,
    available_at
from {{ ref('stg_orders__checked') }}
where invalid_reason is null and copy_rank = 1
