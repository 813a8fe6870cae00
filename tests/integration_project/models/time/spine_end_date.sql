-- grain: one customer and month; the grid goes through the last day of January
{{ customer_retention.spine(
    definition='end_date',
    entity='customer_id',
    population={
        'relation': ref('stg_subscriptions'),
        'started_at': 'started_at',
        'started_available_at': 'started_available_at',
        'ended_at': 'ended_at',
        'ended_available_at': 'ended_available_at',
    },
    observation=ref('observation'),
) }}
