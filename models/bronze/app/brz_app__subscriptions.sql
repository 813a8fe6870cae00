select
    subscription_id,
    customer_id,
    plan,
    price_at_start,
    started_at,
    available_at,
    ended_at,
    ended_recorded_at
from {{ ref('brz_app__subscriptions__checked') }}
where quarantine_reason is null
