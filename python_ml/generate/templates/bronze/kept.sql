select
[%- for name in model.output %]
    [[ name ]][[ "," if not loop.last ]]
[%- endfor %]
from {{ ref('brz_[[ project ]]__[[ source.name ]]__checked') }}
where quarantine_reason is null
