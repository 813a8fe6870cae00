-- grain: one row per customer and feature time
{{ customer_retention.churn_labels(
    definition=var('churn_definition'),
    entity='customer_id',
    spine=ref('slv_spine'),
    outcome={
        'relation': ref('brz_app__subscriptions'),
        'started_at': 'started_at',
        'ended_at': 'ended_at',
    },
    observation=ref('slv_observation_period'),
) }}
