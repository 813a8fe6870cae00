select *
from {{ ref('brz_support__tickets__checked') }}
where quarantine_reason is not null
