-- grain: one change of plan
select
    {{ customer_retention.to_integer('change_id') }} as change_id,
    customer_id,
    {{ customer_retention.clean_text('plan') }} as plan,
    {{ customer_retention.to_decimal('price', 18, 4) }} as price,
    {{ customer_retention.to_timestamp('valid_from') }} as valid_from,
    {{ customer_retention.to_timestamp('valid_to') }} as valid_to,
    {{ customer_retention.to_timestamp('available_at') }} as available_at
from {{ ref('raw_plan_history') }}
