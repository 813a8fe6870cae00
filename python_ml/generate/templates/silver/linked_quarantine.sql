select *
from {{ ref('slv_[[ source.name ]]__linked') }}
where quarantine_reason is not null
