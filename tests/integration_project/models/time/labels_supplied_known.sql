-- grain: one row of the spine; each label with the time at which the shop knew it
with

labels_with_times as (
    select
        *,
        {{ customer_retention.add_months('scored_at', '1') }} as known_on
    from {{ ref('stg_scoring_times') }}
),

labels as (
    {{ customer_retention.churn_labels(
        definition='supplied',
        entity='customer_id',
        spine=ref('spine_supplied'),
        outcome={
            'relation': 'labels_with_times',
            'as_of': 'scored_at',
            'label': 'churned',
            'label_at': 'known_on',
        },
        observation=ref('observation'),
    ) | indent(4) }}
)

select * from labels
