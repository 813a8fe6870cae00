select
    order_id,
    customer_id,
    category,
    items,
    amount,
    ordered_at,
    available_at
from {{ ref('brz_app__orders__checked') }}
where quarantine_reason is null
