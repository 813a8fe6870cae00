select *
from {{ ref('brz_app__price_changes__checked') }}
where quarantine_reason is not null
