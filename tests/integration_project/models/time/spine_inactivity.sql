-- grain: one customer and fortnight
{{ customer_retention.spine(
    definition='inactivity',
    entity='customer_id',
    population={
        'relation': ref('stg_orders'),
        'event_at': 'ordered_at',
        'available_at': 'available_at',
        'where': 'amount > 0 or amount is null',
    },
    observation=ref('observation'),
    step='14d',
) }}
