-- grain: one row per customer and feature time; nothing in it was known at or after that time
with

spine as (
    select * from {{ ref('slv_spine') }}
),
[% for model in feature_models %]
[[ model.alias ]] as (
    select * from {{ ref('[[ model.name ]]') }}
),
[% endfor %]
final as (
[%- if spec.interactions %]
    select
        *,
[%- for made in spec.interactions %]
        [[ made.expression ]] as [[ made.column.name ]][[ "," if not loop.last ]]
[%- endfor %]
[%- else %]
    select *
[%- endif %]
    from spine
[%- for model in feature_models %]
    left join [[ model.alias ]] using ([[ entity ]], feature_timestamp)
[%- endfor %]
)

select * from final
