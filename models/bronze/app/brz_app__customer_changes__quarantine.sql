select *
from {{ ref('brz_app__customer_changes__checked') }}
where quarantine_reason is not null
