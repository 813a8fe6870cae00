-- grain: one row per spine row; the customer's [[ events ]] before
{{ customer_retention.window_features(
    spine=ref('slv_spine'),
    events=ref('[[ plan.model(source) ]]'),
    source='[[ name ]]',
    entity='[[ entity ]]',
    event_at='[[ source.time ]]',
[%- if source.available_at %]
    available_at='[[ source.available_at ]]',
[%- endif %]
[%- if source.superseded %]
    superseded_at='[[ source.superseded ]]',
[%- endif %]
[%- if where %]
    where='[[ where ]]',
[%- endif %]
[%- if measures %]
    measures=[
[%- for measure in measures %]
        [[ measure.declaration() | jinja ]],
[%- endfor %]
    ],
[%- endif %]
[%- if rhythm %]
    rhythm=[[ rhythm | list ]],
[%- endif %]
[%- if source.windows != plan.windows %]
    windows=[[ source.windows | list ]],
[%- endif %]
) }}
