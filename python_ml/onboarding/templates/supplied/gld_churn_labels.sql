-- grain: one row per customer and feature time; churned says what the labels say, null for rows that are only scored
{{ customer_retention.churn_labels(
    definition=var('churn_definition'),
    entity='[[ entity ]]',
    spine=ref('slv_spine'),
    outcome={
        'relation': ref('slv_labels'),
        'as_of': 'feature_timestamp',
        'label': 'churned',
        'label_at': 'label_timestamp',
    },
    observation=ref('slv_observation_period'),
) }}
