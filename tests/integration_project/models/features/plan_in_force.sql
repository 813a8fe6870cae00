-- grain: one row of the spine; null once the plan has ended
{{ customer_retention.as_of_join(
    spine=ref('spine_supplied'),
    history=ref('stg_plan_history'),
    entity='customer_id',
    valid_from='valid_from',
    valid_to='valid_to',
    available_at='available_at',
    tie_breaker='change_id',
    columns=['plan', 'price', 'change_id'],
) }}
