-- grain: one row of [[ source.events ]], with its [[ model.gains | listed ]]
select
[%- for name in model.output %]
    [[ name ]][[ "," if not loop.last or source.known ]]
[%- endfor %]
[%- if source.known %]
    [[ source.known ]]
[%- endif %]
from {{ ref('slv_[[ source.name ]]__linked') }}
where quarantine_reason is null
