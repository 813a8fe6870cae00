-- grain: one customer and time
select
    customer_id,
    {{ customer_retention.to_timestamp('scored_at') }} as scored_at,
    {{ customer_retention.to_integer('churned') }} as churned
from {{ ref('raw_scoring_times') }}
