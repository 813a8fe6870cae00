-- grain: one row of the spine; how recent, how many, how much
{{ customer_retention.window_features(
    spine=ref('spine_end_date'),
    events=ref('stg_orders'),
    source='orders',
    entity='customer_id',
    event_at='ordered_at',
    available_at='available_at',
    windows=['all_time'],
    measures=[
        {'name': 'amount', 'expression': 'amount', 'aggregates': ['sum'], 'type': 'decimal(18, 2)'},
    ],
) }}
