select
    offer_id,
    customer_id,
    arm,
    discount_percent,
    offered_at,
    available_at
from {{ ref('brz_crm__offers__checked') }}
where quarantine_reason is null
