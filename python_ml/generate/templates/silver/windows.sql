{{ config(materialized='daily_table', unique_key=['[[ entity ]]', 'feature_timestamp']) }}
-- grain: one row per spine row; the customer's [[ events ]] before
[%- set space = "        " if shifts else "    " %]
[%- if shifts %]
with

windows as (
    {{ customer_retention.window_features(
[%- else %]
{{ customer_retention.window_features(
[%- endif %]
[[ space ]]spine=ref('slv_spine'),
[[ space ]]events=ref('[[ plan.rows_with_texts(source) ]]'),
[[ space ]]source='[[ name ]]',
[[ space ]]entity='[[ entity ]]',
[[ space ]]event_at='[[ source.time ]]',
[%- if source.available_at %]
[[ space ]]available_at='[[ source.available_at ]]',
[%- endif %]
[%- if source.superseded %]
[[ space ]]superseded_at='[[ source.superseded ]]',
[%- endif %]
[%- if where %]
[[ space ]]where='[[ where ]]',
[%- endif %]
[%- if measures or texts %]
[[ space ]]measures=[% if measures %][
[%- for measure in measures %]
[[ space ]]    [[ measure.declaration() | jinja ]],
[%- endfor %]
[[ space ]]][% endif %]
[%- for text in texts %][[ " + " if measures or not loop.first ]]customer_retention.text_measures(
[[ space ]]    '[[ text.column ]]',
[[ space ]]    components=[[ text.components ]],
[[ space ]]    windows=[[ text.windows | list | jinja ]],
[[ space ]]    aggregates=[[ text.windows_by_aggregate | jinja ]],
[[ space ]])[% endfor %],
[%- endif %]
[%- if rhythm %]
[[ space ]]rhythm=[[ rhythm | list ]],
[%- endif %]
[%- if source.windows != plan.windows %]
[[ space ]]windows=[[ source.windows | list ]],
[%- endif %]
[[ space ]]incremental='changed_rows',
[%- if not shifts %]
) }}
[%- else %]
    ) | indent(4) }}
),

final as (
    select
        *,
[%- for text in shifts %]
        {{ customer_retention.text_shift(
            '[[ name ]]_[[ text.column ]]',
            components=[[ text.components ]],
            recent='[[ text.windows[0] ]]',
            past='[[ text.windows[-1] ]]',
        ) | indent(8) }} as [[ text.shift(name) ]][[ "," if not loop.last ]]
[%- endfor %]
    from windows
)

select * from final
[%- endif %]
