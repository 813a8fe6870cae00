select *
from {{ ref('brz_[[ project ]]__[[ source.name ]]__checked') }}
where quarantine_reason is not null
