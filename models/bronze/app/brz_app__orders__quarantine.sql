select *
from {{ ref('brz_app__orders__checked') }}
where quarantine_reason is not null
