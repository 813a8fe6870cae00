select
    price_change_id,
    subscription_id,
    customer_id,
    old_price,
    new_price,
    changed_at,
    available_at
from {{ ref('brz_app__price_changes__checked') }}
where quarantine_reason is null
