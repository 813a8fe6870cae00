-- grain: one row per customer with a subscription open at the feature time
{{ customer_retention.spine(
    definition=var('churn_definition'),
    entity='customer_id',
    population={
        'relation': ref('brz_app__subscriptions'),
        'started_at': 'started_at',
        'started_available_at': 'available_at',
        'ended_at': 'ended_at',
        'ended_available_at': 'ended_recorded_at',
    },
    observation=ref('slv_observation_period'),
) }}
