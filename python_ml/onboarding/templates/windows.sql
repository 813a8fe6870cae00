-- grain: one row per spine row; the customer's [[ words ]] before
{{ customer_retention.window_features(
    spine=ref('slv_spine'),
    events=ref('brz_[[ project ]]__[[ source.name ]]'),
    source='[[ name ]]',
    entity='[[ entity ]]',
    event_at='[[ source.time.name ]]',
[%- if source.available %]
    available_at='[[ source.available.name ]]',
[%- endif %]
[%- if where %]
    where='[[ where ]]',
[%- endif %]
[%- if measures %]
    measures=[
[%- for measure in measures %]
        [[ measure.declaration() ]],
[%- endfor %]
    ],
[%- endif %]
) }}
