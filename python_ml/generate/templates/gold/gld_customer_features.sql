{{ config(materialized='daily_table', unique_key=['[[ entity ]]', 'feature_timestamp']) }}
-- grain: one row per customer and feature time; nothing in it was known at or after that time
with

-- a row is made again when what it is made of has changed
spine as (
    {{ customer_retention.changed_rows(
        spine=ref('slv_spine'),
        entity='[[ entity ]]',
        inputs=[
[%- for set in feature_sets %]
            {'relation': ref('[[ set.model ]]')[% if set.fingerprint %], 'columns': ['[[ set.fingerprint ]]'][% endif %]},
[%- endfor %]
        ],
    ) | indent(4) }}
),
[% for set in feature_sets %]
[[ set.alias ]] as (
    select [% if set.fingerprint %]{{ customer_retention.columns_except(['[[ set.fingerprint ]]']) }}[% else %]*[% endif %] from {{ ref('[[ set.model ]]') }}
),
[% endfor %]
final as (
[%- if plan.interactions %]
    select
        *,
[%- for one in plan.interactions %]
        [[ one.expression ]] as [[ one.column.name ]][[ "," if not loop.last ]]
[%- endfor %]
[%- else %]
    select *
[%- endif %]
    from spine
[%- for set in feature_sets %]
    left join [[ set.alias ]] using ([[ entity ]], feature_timestamp)
[%- endfor %]
)

select * from final
