select
    customer_id,
    country,
    segment,
    acquisition_channel,
    account_closed_reason,
    birth_year,
    marketing_opt_in,
    signed_up_at,
    updated_at
from {{ ref('brz_app__customers__checked') }}
where quarantine_reason is null
