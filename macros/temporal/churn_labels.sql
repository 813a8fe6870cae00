{%- macro churn_labels(definition, entity, spine, outcome, observation, horizon=none, gap=none, grace=none, maturity_lag=none) -%}
    {{ return(adapter.dispatch('churn_labels', 'customer_retention')(
        definition, entity, spine, outcome, observation, horizon, gap, grace, maturity_lag
    )) }}
{%- endmacro -%}

{%- macro default__churn_labels(definition, entity, spine, outcome, observation, horizon, gap, grace, maturity_lag) -%}
{%- do customer_retention._require_keys('churn_labels', 'outcome', definition, outcome, {
    'end_date': ['relation', 'ended_at'],
    'inactivity': ['relation', 'event_at'],
    'supplied': ['relation', 'as_of', 'label'],
}) -%}
{%- set lag_us = customer_retention.duration_us(maturity_lag or var('maturity_lag', '0d'), 'maturity_lag') -%}
{%- if definition == 'supplied' and outcome.label_at -%}
{{ customer_retention._labels_with_times(entity, spine, outcome, observation, horizon, gap, lag_us) }}
{%- else -%}
{%- set horizon_us = customer_retention.duration_us(horizon or var('horizon'), 'horizon') -%}
{%- if horizon_us == 0 -%}
    {{ exceptions.raise_compiler_error("horizon: `" ~ (horizon or var('horizon')) ~ "` leaves the label nothing to look at.") }}
{%- endif -%}
{%- set gap_us = customer_retention.duration_us(gap or var('gap', '0d'), 'gap') -%}
{%- set grace_us = customer_retention.duration_us(grace or var('grace', '0d'), 'grace') if definition == 'end_date' else 0 -%}
with

-- the label looks at [label_from_us, label_to_us){{ ' and, for renewals, at the grace period after it' if grace_us }}
label_windows as (
    select
        spine.{{ entity }},
        spine.feature_timestamp,
        {{ customer_retention.epoch_us('spine.feature_timestamp') }} + {{ gap_us }} as label_from_us,
        {{ customer_retention.epoch_us('spine.feature_timestamp') }} + {{ gap_us + horizon_us }} as label_to_us,
        {{ customer_retention.epoch_us('spine.feature_timestamp') }} + {{ gap_us + horizon_us + grace_us }} as label_known_us,
        {%- if lag_us %}
        -- what happened in the last of the observation may not have arrived yet
        {%- endif %}
        {{ customer_retention.epoch_us('observation.observation_end') }}{{ ' - ' ~ lag_us if lag_us }} as complete_to_us
    from {{ spine }} as spine
    cross join {{ observation }} as observation
),
{% if definition == 'end_date' %}
{{ customer_retention._coverage(outcome, entity, grace_us) }}
-- a customer whose coverage had ended before the label window has no outcome to predict
outcomes as (
    select
        label_windows.{{ entity }},
        label_windows.feature_timestamp,
        case
            when max(case when covered_to_us >= label_from_us and covered_to_us < label_to_us then 1 end) = 1 then 1
            when max(case when covered_to_us >= label_to_us then 1 end) = 1 then 0
        end as churned
    from label_windows
    inner join coverage
        on
            label_windows.{{ entity }} = coverage.{{ entity }}
            and coverage.covered_from_us < label_windows.label_from_us
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
        {{ customer_retention.timestamp_from_us('label_windows.label_known_us') }} as label_timestamp,
        coalesce(label_windows.label_known_us <= label_windows.complete_to_us, false) as label_available_flag,
        case
            when label_windows.complete_to_us is null or label_windows.label_known_us > label_windows.complete_to_us then null
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
