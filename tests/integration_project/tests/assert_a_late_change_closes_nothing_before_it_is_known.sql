-- the plan of c09 was closed on 2023-11-23 by a change that was known on 2024-06-01: on 2024-05-17 it was still in force
select *
from {{ ref('plan_in_force') }}
where
    customer_id = 'c09'
    and feature_timestamp < {{ customer_retention.timestamp_literal('2024-06-01', 'time') }}
    and coalesce(change_id, 0) <> 14
