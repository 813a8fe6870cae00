select
    customer_id,
    country,
    segment,
    acquisition_channel,
    account_closed_reason,
    birth_year,
    is_birth_year_out_of_range,
    marketing_opt_in,
    signed_up_at,
    updated_at
from {{ ref('brz_app__customers__checked') }}
where quarantine_reason is null
