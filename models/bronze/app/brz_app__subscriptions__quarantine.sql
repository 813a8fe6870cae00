select *
from {{ ref('brz_app__subscriptions__checked') }}
where quarantine_reason is not null
