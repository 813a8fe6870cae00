-- grain: one row of the spine and order that may be seen at it
select
    spine.customer_id,
    orders.order_id,
    {{ customer_retention.utc_day('orders.ordered_at') }} as day_number,
    spine.feature_timestamp,
    {{ customer_retention.known_at('orders.ordered_at', 'orders.available_at') }} as known_at
from {{ ref('spine_supplied') }} as spine
inner join {{ ref('stg_orders') }} as orders
    on
        spine.customer_id = orders.customer_id
        and {{ customer_retention.visible('orders.ordered_at', 'spine.feature_timestamp', 'orders.available_at') }}
