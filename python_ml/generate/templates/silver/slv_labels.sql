-- grain: one row per customer and as-of time of [[ labels.title ]]; churned follows from [[ outcome.label ]]
{%- set churned_values = [] %}
{%- for value in var('churned_values') %}
{%- do churned_values.append(customer_retention.text_literal(value)) %}
{%- endfor %}
with

supplied as (
    select * from {{ ref('[[ labels.model ]]') }}
),

typed as (
    select
        [[ entity ]],
        [[ labels.as_of ]] as feature_timestamp,
[%- if outcome.split %]
        case
[%- for part, values in outcome.split_values.items() %]
            when lower([[ outcome.split ]]) in (
[%- for value in values -%]
                {{ customer_retention.text_literal([[ value | jinja ]]) }}[[ ", " if not loop.last ]]
[%- endfor -%]
            ) then '[[ part ]]'
[%- endfor %]
        end as [[ split_column ]],
[%- endif %]
        case
            when lower([[ outcome.label ]]) in ({{ churned_values | join(', ') }}) then 1
            when [[ outcome.label ]] is not null then 0
        end as churned[[ "," if outcome.known ]]
[%- if outcome.known %]
        [[ outcome.known ]] as recorded_known_at
[%- endif %]
    from supplied
),

timed as (
    select
        *,
        {%- if var('horizon', none) %}
[%- set ahead -%]
{{ customer_retention.timestamp_from_us(
            customer_retention.epoch_us('feature_timestamp') ~ ' + '
            ~ (customer_retention.duration_us(var('horizon'), 'horizon') + customer_retention.duration_us(var('gap', '0d'), 'gap'))
        ) }}
[%- endset %]
        [[ "coalesce(recorded_known_at, " ~ ahead ~ ")" if outcome.known else ahead ]] as outcome_known_at
        {%- else %}
[%- if not outcome.known %]
        -- how far the label looks ahead is not known
[%- endif %]
        [[ "recorded_known_at" if outcome.known else "feature_timestamp" ]] as outcome_known_at
        {%- endif %}
    from typed
),

final as (
    select
        [[ entity ]],
        feature_timestamp,
[%- if outcome.split %]
        max([[ split_column ]]) as [[ split_column ]],
[%- endif %]
        max(churned) as churned,
        max(case when churned is not null then outcome_known_at end) as label_timestamp
    from timed
    where [[ entity ]] is not null and feature_timestamp is not null
    group by [[ entity ]], feature_timestamp
)

select * from final
