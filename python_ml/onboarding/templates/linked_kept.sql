-- grain: one row of [[ source.events ]] whose [[ source.gains | join(' and ') ]] could be found
select
[%- for name in source.output %]
    [[ name ]][[ "," if not loop.last or source.known ]]
[%- endfor %]
[%- if source.known %]
    [[ source.known ]]
[%- endif %]
from {{ ref('slv_[[ source.name ]]__linked') }}
where quarantine_reason is null
