-- grain: one row of the spine
{{ customer_retention.churn_labels(
    definition='end_date',
    entity='customer_id',
    spine=ref('spine_end_date'),
    outcome={'relation': ref('stg_subscriptions'), 'started_at': 'started_at', 'ended_at': 'ended_at'},
    observation=ref('observation'),
) }}
