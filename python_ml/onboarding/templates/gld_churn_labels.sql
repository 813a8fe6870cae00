-- grain: one row per customer and feature time; churned = none of the [[ activity.events ]] in the label window
{{ customer_retention.churn_labels(
    definition=var('churn_definition'),
    entity='[[ entity ]]',
    spine=ref('slv_spine'),
    outcome={
        'relation': ref('[[ spec.model(activity) ]]'),
        'event_at': '[[ activity.time.name ]]',
[%- if activity.reversal %]
        'where': 'not is_reversal',
[%- endif %]
    },
    observation=ref('slv_observation_period'),
) }}
