{%- macro churn_labels(definition, entity, spine, outcome, observation, horizon=none, gap=none) -%}
    {{ return(adapter.dispatch('churn_labels', 'customer_retention')(
        definition, entity, spine, outcome, observation, horizon, gap
    )) }}
{%- endmacro -%}

{%- macro default__churn_labels(definition, entity, spine, outcome, observation, horizon, gap) -%}
{%- do customer_retention._require_keys('churn_labels', 'outcome', definition, outcome, {
    'end_date': ['relation', 'ended_at'],
    'inactivity': ['relation', 'event_at'],
    'supplied': ['relation', 'as_of', 'label'],
}) -%}
{%- if definition == 'supplied' and outcome.label_at -%}
{{ customer_retention._labels_with_times(entity, spine, outcome, observation, horizon, gap) }}
{%- else -%}
{%- set horizon_us = customer_retention.duration_us(horizon or var('horizon'), 'horizon') -%}
{%- if horizon_us == 0 -%}
    {{ exceptions.raise_compiler_error("horizon: `" ~ (horizon or var('horizon')) ~ "` leaves the label nothing to look at.") }}
{%- endif -%}
{%- set gap_us = customer_retention.duration_us(gap or var('gap', '0d'), 'gap') -%}
with

-- the label looks at [label_from_us, label_to_us)
label_windows as (
    select
        spine.{{ entity }},
        spine.feature_timestamp,
        {{ customer_retention.epoch_us('spine.feature_timestamp') }} + {{ gap_us }} as label_from_us,
        {{ customer_retention.epoch_us('spine.feature_timestamp') }} + {{ gap_us + horizon_us }} as label_to_us,
        {{ customer_retention.epoch_us('observation.observation_end') }} as observation_end_us
    from {{ spine }} as spine
    cross join {{ observation }} as observation
),
{% if definition == 'end_date' %}
subscriptions as (
    select
        {{ entity }},
        {{ customer_retention.epoch_us(outcome.ended_at) }} as ended_us
        {%- if outcome.started_at %},
        {{ customer_retention.epoch_us(outcome.started_at) }} as started_us
        {%- endif %}
    from {{ outcome.relation }}
),

-- whoever had left before the label window has no outcome to predict
outcomes as (
    select
        label_windows.{{ entity }},
        label_windows.feature_timestamp,
        case
            when max(case when ended_us >= label_from_us and ended_us < label_to_us then 1 end) = 1 then 1
            when max(case when ended_us is null or ended_us >= label_from_us then 1 end) = 1 then 0
        end as churned
    from label_windows
    inner join subscriptions
        on
            label_windows.{{ entity }} = subscriptions.{{ entity }}
            {%- if outcome.started_at %}
            and subscriptions.started_us < label_windows.label_from_us
            {%- endif %}
    group by 1, 2
),
{% elif definition == 'inactivity' %}
-- activity in the label window
outcomes as (
    select distinct
        label_windows.{{ entity }},
        label_windows.feature_timestamp,
        0 as churned
    from label_windows
    inner join (
        select
            {{ entity }},
            {{ customer_retention.epoch_us(outcome.event_at) }} as event_us
        from {{ outcome.relation }}
        {%- if outcome.where %}
        where {{ outcome.where }}
        {%- endif %}
    ) as activity
        on
            label_windows.{{ entity }} = activity.{{ entity }}
            and activity.event_us >= label_windows.label_from_us
            and activity.event_us < label_windows.label_to_us
),
{% else %}
outcomes as (
    select
        {{ entity }},
        {{ outcome.as_of }} as feature_timestamp,
        max(cast({{ outcome.label }} as integer)) as churned
    from {{ outcome.relation }}
    group by 1, 2
),
{% endif %}
{%- set without_outcome = {'end_date': '0', 'inactivity': '1', 'supplied': 'null'}[definition] %}
labelled as (
    select
        label_windows.{{ entity }},
        label_windows.feature_timestamp,
        {{ customer_retention.timestamp_from_us('label_windows.label_to_us') }} as label_timestamp,
        coalesce(label_windows.label_to_us <= label_windows.observation_end_us, false) as label_available_flag,
        case
            when label_windows.observation_end_us is null or label_windows.label_to_us > label_windows.observation_end_us then null
            when outcomes.{{ entity }} is null then {{ without_outcome }}
            else outcomes.churned
        end as churned
    from label_windows
    left join outcomes
        on
            label_windows.{{ entity }} = outcomes.{{ entity }}
            and label_windows.feature_timestamp = outcomes.feature_timestamp
)
{%- endif %}

select
    {{ entity }},
    feature_timestamp,
    label_timestamp,
    label_available_flag,
    cast(churned as integer) as churned
from labelled
{%- endmacro -%}

{#- Private: `labelled` from supplied labels that say themselves when they were known. A row without one looks ahead by gap and horizon, where these are known. -#}
{%- macro _labels_with_times(entity, spine, outcome, observation, horizon, gap) -%}
{%- set horizon = horizon or var('horizon', none) -%}
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
        coalesce(outcomes.label_timestamp <= observation.observation_end, false) as label_available_flag,
        case when outcomes.label_timestamp <= observation.observation_end then outcomes.churned end as churned
    from {{ spine }} as spine
    cross join {{ observation }} as observation
    left join outcomes
        on
            spine.{{ entity }} = outcomes.{{ entity }}
            and spine.feature_timestamp = outcomes.feature_timestamp
)
{%- endmacro -%}
