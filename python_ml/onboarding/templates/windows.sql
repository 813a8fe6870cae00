-- grain: one row per spine row; the customer's [[ words ]] before
{{ customer_retention.window_features(
    spine=ref('slv_spine'),
    events=ref('[[ spec.model(source) ]]'),
    source='[[ name ]]',
    entity='[[ entity ]]',
    event_at='[[ source.time.name ]]',
[%- if source.available_at %]
    available_at='[[ source.available_at ]]',
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
[%- if source.windows is not none %]
    windows=[[ source.windows | list ]],
[%- endif %]
) }}
