-- grain: one row per customer and as-of time of [[ label_title ]]; churned says what [[ labels.label.name ]] says
with

supplied as (
    select * from {{ ref('brz_[[ project ]]__[[ labels.source.name ]]') }}
),

typed as (
    select
        [[ entity ]],
        [[ labels.time.name ]] as feature_timestamp,
[%- if labels.split %]
        case
[%- for part, values in labels.split_values.items() %]
            when lower([[ labels.split.name ]]) in ('[[ values | join("', '") ]]') then '[[ part ]]'
[%- endfor %]
        end as [[ split_column ]],
[%- endif %]
        case
            when lower([[ labels.label.name ]]) in (
                {%- for value in var('churned_values') -%}
                    {{ customer_retention.text_literal(value) }}{{ ', ' if not loop.last }}
                {%- endfor -%}
            ) then 1
            when [[ labels.label.name ]] is not null then 0
        end as churned,
        {%- if var('horizon', none) %}
[%- if labels.known %]
        coalesce([[ labels.known.name ]], [[ ahead_sql ]]) as outcome_known_at
        {%- else %}
        [[ labels.known.name ]] as outcome_known_at
[%- else %]
        [[ ahead_sql ]] as outcome_known_at
        {%- else %}
        -- nothing says how far the label looks ahead
        [[ labels.time.name ]] as outcome_known_at
[%- endif %]
        {%- endif %}
    from supplied
),

final as (
    select
        [[ entity ]],
        feature_timestamp,
[%- if labels.split %]
        max([[ split_column ]]) as [[ split_column ]],
[%- endif %]
        max(churned) as churned,
        max(case when churned is not null then outcome_known_at end) as label_timestamp
    from typed
    group by [[ entity ]], feature_timestamp
)

select * from final
