[%- if outcome.definition == 'inactivity' -%]
-- grain: one row per customer with activity in the active window before the feature time
{{ customer_retention.spine(
    definition=var('churn_definition'),
    entity='[[ entity ]]',
    population={
        'relation': ref('[[ plan.model(activity) ]]'),
        'event_at': '[[ activity.time ]]',
[%- if activity.available_at %]
        'available_at': '[[ activity.available_at ]]',
[%- endif %]
[%- if activity.superseded %]
        'superseded_at': '[[ activity.superseded ]]',
[%- endif %]
[%- if activity.reversal %]
        'where': 'not is_reversal',
[%- endif %]
    },
    observation=ref('slv_observation_period'),
) }}
[%- elif outcome.definition == 'end_date' -%]
-- grain: one row per customer who is covered at the feature time, as far as that was known then
{{ customer_retention.spine(
    definition=var('churn_definition'),
    entity='[[ entity ]]',
    population={
        'relation': ref('slv_coverage'),
        'started_at': 'started_at',
        'started_available_at': 'started_available_at',
        'ended_at': 'ended_at',
        'ended_available_at': 'ended_available_at',
    },
    observation=ref('slv_observation_period'),
) }}
[%- elif outcome.scores != 'active' -%]
-- grain: one row per customer and as-of time of the labels
{{ customer_retention.spine(
    definition=var('churn_definition'),
    entity='[[ entity ]]',
    population={'relation': ref('slv_labels'), 'as_of': 'feature_timestamp'},
    observation=ref('slv_observation_period'),
) }}
[%- else -%]
-- grain: one row per customer and as-of time of the labels, and one per customer to score
--
-- Scored are the customers of the labels who were active before `score_at`, as far as that was known then.
with

supplied as (
    {{ customer_retention.spine(
        definition=var('churn_definition'),
        entity='[[ entity ]]',
        population={'relation': ref('slv_labels'), 'as_of': 'feature_timestamp'},
        observation=ref('slv_observation_period'),
    ) | indent(4) }}
),
{#- `retention replay` rebuilds a single feature time, which need not be this one. #}
{% set wanted = var('feature_timestamps', none) %}
scoring_time as (
    select {{ customer_retention.timestamp_literal(var('score_at'), 'score_at') }} as feature_timestamp
),

known_customers as (
    select distinct
        labels.[[ entity ]],
        scoring_time.feature_timestamp
    from {{ ref('slv_labels') }} as labels
    inner join scoring_time on labels.feature_timestamp <= scoring_time.feature_timestamp
    {%- if wanted %}
    where scoring_time.feature_timestamp in (
        {%- for time in wanted %}
        {{ customer_retention.timestamp_literal(time, 'feature_timestamps') }}{{ ',' if not loop.last }}
        {%- endfor %}
    )
    {%- endif %}
),

to_score as (
    select distinct
        known_customers.[[ entity ]],
        known_customers.feature_timestamp
    from known_customers
    inner join {{ ref('[[ plan.model(activity) ]]') }} as activity
        on
            known_customers.[[ entity ]] = activity.[[ entity ]]
            and {{ customer_retention.visible(
                'activity.[[ activity.time ]]',
                'known_customers.feature_timestamp',
[%- if activity.available_at %]
                'activity.[[ activity.available_at ]]',
[%- endif %]
[%- if activity.superseded %]
                superseded_at='activity.[[ activity.superseded ]]',
[%- endif %]
            ) }}
            and {{ customer_retention.epoch_us('activity.[[ activity.time ]]') }}
            >= {{ customer_retention.epoch_us('known_customers.feature_timestamp') }}
            - {{ customer_retention.duration_us(var('active_window'), 'active_window') }}
[%- if activity.reversal %]
    where not activity.is_reversal
[%- endif %]
)

select * from supplied
union
select * from to_score
[%- endif %]
