[%- set names = model.columns -%]
-- grain: one row per spine row; attributes of the customer from [[ model.title ]][[ model.when ]]
with

spine as (
    select * from {{ ref('slv_spine') }}
),
[% if source.use == 'history' %]
-- the newest row that was known before the feature time
joined as (
    {{ customer_retention.as_of_join(
        spine='spine',
        history=ref('[[ plan.rows_with_texts(source) ]]'),
        entity='[[ entity ]]',
        valid_from='[[ source.time ]]',
[%- if source.available_at %]
        available_at='[[ source.available_at ]]',
[%- endif %]
        columns=[[ names | list ]],
    ) | indent(4) }}
),
[% else %]
[[ model.alias ]] as (
    select
        [[ entity ]],
[%- if model.as_of %]
        [[ model.as_of ]] as feature_timestamp,
[%- endif %]
[%- for name in model.read %]
        [[ name ]][[ "," if not loop.last or model.needs_rank ]]
[%- endfor %]
[%- if model.needs_rank %]
        row_number() over (
            partition by [[ model.partition | join(', ') ]]
            order by
[%- for name in model.order %]
                [[ name ]] nulls last[[ "," if not loop.last ]]
[%- endfor %]
        ) as row_rank
[%- endif %]
    from {{ ref('[[ plan.rows_with_texts(source) ]]') }}
),

joined as (
    select
        spine.[[ entity ]],
        spine.feature_timestamp,
[%- for name in names %]
        [[ model.alias ]].[[ name ]][[ "," if not loop.last ]]
[%- endfor %]
    from spine
    left join [[ model.alias ]]
        on
            spine.[[ entity ]] = [[ model.alias ]].[[ entity ]]
[%- if model.as_of %]
            and spine.feature_timestamp = [[ model.alias ]].feature_timestamp
[%- elif source.time %]
            -- not known before the row's own time
            and {{ customer_retention.visible(
                '[[ model.alias ]].[[ source.time ]]',
                'spine.feature_timestamp',
[%- if source.available_at %]
                '[[ model.alias ]].[[ source.available_at ]]',
[%- endif %]
            ) }}
[%- endif %]
[%- if model.needs_rank %]
            and [[ model.alias ]].row_rank = 1
[%- endif %]
),
[% endif %]
final as (
    select
        [[ entity ]],
        feature_timestamp,
[%- for one in source.attributes %]
        [[ one.expression | wrapped ]][[ "" if one.expression == one.column.name else " as " ~ one.column.name ]][[ "," if not loop.last ]]
[%- endfor %]
    from joined
)

select * from final
