select
    change_id,
    customer_id,
    country,
    segment,
    marketing_opt_in,
    changed_at,
    available_at
from {{ ref('brz_app__customer_changes__checked') }}
where quarantine_reason is null
