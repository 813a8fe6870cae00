-- grain: one row of spine_supplied that has come by the day of the run
select
    customer_id,
    feature_timestamp
from {{ ref('spine_supplied') }}
where feature_timestamp < {{ customer_retention.timestamp_literal(var('day_of_the_run'), 'day_of_the_run') }}
