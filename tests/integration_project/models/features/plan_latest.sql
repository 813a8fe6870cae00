-- grain: one row of the spine; the latest plan before it, whether it has ended or not
{{ customer_retention.as_of_join(
    spine=ref('spine_supplied'),
    history=ref('stg_plan_history'),
    entity='customer_id',
    valid_from='valid_from',
    columns=['price', 'plan'],
    prefix='latest_',
) }}
