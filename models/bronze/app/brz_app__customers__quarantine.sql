select *
from {{ ref('brz_app__customers__checked') }}
where quarantine_reason is not null
