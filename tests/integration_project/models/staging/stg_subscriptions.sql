-- grain: one subscription
select
    subscription_id,
    customer_id,
    {{ customer_retention.to_timestamp('started_at') }} as started_at,
    {{ customer_retention.to_timestamp('started_available_at') }} as started_available_at,
    {{ customer_retention.to_timestamp('ended_at') }} as ended_at,
    {{ customer_retention.to_timestamp('ended_available_at') }} as ended_available_at
from {{ ref('raw_subscriptions') }}
