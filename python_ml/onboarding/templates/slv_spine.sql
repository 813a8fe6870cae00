-- grain: one row per customer with activity in the active window before the feature time
{{ customer_retention.spine(
    definition=var('churn_definition'),
    entity='[[ entity ]]',
    population={
        'relation': ref('[[ spec.model(activity) ]]'),
        'event_at': '[[ activity.time.name ]]',
[%- if activity.available_at %]
        'available_at': '[[ activity.available_at ]]',
[%- endif %]
[%- if activity.reversal %]
        'where': 'not is_reversal',
[%- endif %]
    },
    observation=ref('slv_observation_period'),
) }}
