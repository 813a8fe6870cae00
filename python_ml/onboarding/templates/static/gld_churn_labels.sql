-- grain: one row per customer; churned says what the column [[ target.name ]] says
with

customers as (
    select
        *,
[%- if scenario.is_snapshot %]
        {{ customer_retention.timestamp_literal(var('snapshot_at'), 'snapshot_at') }} as feature_timestamp
[%- else %]
        [[ seen_sql ]] as feature_timestamp
[%- endif %]
    from {{ ref('brz_[[ project ]]__[[ table.name ]]') }}
),

final as (
    select
        [[ entity ]],
        feature_timestamp,
        [[ label_time_sql ]] as label_timestamp,
        [[ target.name ]] is not null as label_available_flag,
        case
            when lower([[ target.name ]]) in (
                {%- for value in var('churned_values') -%}
                    {{ customer_retention.text_literal(value) }}{{ ', ' if not loop.last }}
                {%- endfor -%}
            ) then 1
            when [[ target.name ]] is not null then 0
        end as churned
    from customers
[%- if not scenario.is_snapshot %]
    where feature_timestamp is not null
[%- endif %]
)

select * from final
