select
    ticket_id,
    customer_id,
    body,
    channel,
    priority,
    topic,
    satisfaction,
    opened_at,
    available_at
from {{ ref('brz_support__tickets__checked') }}
where quarantine_reason is null
