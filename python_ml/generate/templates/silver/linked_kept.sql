-- grain: one row of [[ source.events ]], with its [[ source.gains | listed ]]
select
[%- for name in source.output %]
    [[ name ]][[ "," if not loop.last or source.known ]]
[%- endfor %]
[%- if source.known %]
    [[ source.known ]]
[%- endif %]
from {{ ref('slv_[[ source.name ]]__linked') }}
where quarantine_reason is null
