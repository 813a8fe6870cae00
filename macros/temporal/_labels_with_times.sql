{#- Private: `labelled` from supplied labels that say themselves when they were known. A row without one looks ahead by gap and horizon, where these are known. -#}
{%- macro _labels_with_times(entity, spine, outcome, observation, horizon, gap, lag_us) -%}
{%- set horizon = horizon or var('horizon', none) -%}
{%- set is_available = (
    customer_retention.epoch_us('outcomes.label_timestamp') ~ (' + ' ~ lag_us if lag_us else '')
    ~ ' <= ' ~ customer_retention.epoch_us('observation.observation_end')
) -%}
with

outcomes as (
    select
        {{ entity }},
        {{ outcome.as_of }} as feature_timestamp,
        max(cast({{ outcome.label }} as integer)) as churned,
        max({{ outcome.label_at }}) as label_timestamp
    from {{ outcome.relation }}
    where {{ outcome.label }} is not null
    group by 1, 2
),

labelled as (
    select
        spine.{{ entity }},
        spine.feature_timestamp,
        {%- if horizon %}
        {%- set ahead_us = customer_retention.duration_us(horizon, 'horizon') + customer_retention.duration_us(gap or var('gap', '0d'), 'gap') %}
        coalesce(outcomes.label_timestamp, {{ customer_retention.timestamp_from_us(
            customer_retention.epoch_us('spine.feature_timestamp') ~ ' + ' ~ ahead_us
        ) }}) as label_timestamp,
        {%- else %}
        outcomes.label_timestamp,
        {%- endif %}
        coalesce({{ is_available }}, false) as label_available_flag,
        case when {{ is_available }} then outcomes.churned end as churned
    from {{ spine }} as spine
    cross join {{ observation }} as observation
    left join outcomes
        on
            spine.{{ entity }} = outcomes.{{ entity }}
            and spine.feature_timestamp = outcomes.feature_timestamp
)
{%- endmacro -%}
