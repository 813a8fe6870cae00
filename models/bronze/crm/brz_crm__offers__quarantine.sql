select *
from {{ ref('brz_crm__offers__checked') }}
where quarantine_reason is not null
