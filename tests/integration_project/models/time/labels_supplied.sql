-- grain: one row of the spine
{{ customer_retention.churn_labels(
    definition='supplied',
    entity='customer_id',
    spine=ref('spine_supplied'),
    outcome={'relation': ref('stg_scoring_times'), 'as_of': 'scored_at', 'label': 'churned'},
    observation=ref('observation'),
) }}
