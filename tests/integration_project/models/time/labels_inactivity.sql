-- grain: one row of the spine
{{ customer_retention.churn_labels(
    definition='inactivity',
    entity='customer_id',
    spine=ref('spine_inactivity'),
    outcome={'relation': ref('stg_orders'), 'event_at': 'ordered_at', 'where': 'amount > 0'},
    observation=ref('observation'),
    horizon='36h',
    gap='0d',
    maturity_lag='3d',
) }}
