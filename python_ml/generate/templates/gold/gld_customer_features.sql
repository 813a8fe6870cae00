-- grain: one row per customer and feature time; nothing in it was known at or after that time
with

spine as (
    select * from {{ ref('slv_spine') }}
),
[% for set in feature_sets %]
[[ set.alias ]] as (
    select * from {{ ref('[[ set.model ]]') }}
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
