-- grain: one row of the spine; a column for each channel that matters
{{ customer_retention.window_features(
    spine=ref('spine_supplied'),
    events=ref('stg_orders'),
    source='orders',
    entity='customer_id',
    event_at='ordered_at',
    available_at='available_at',
    windows=['30d', 'all_time'],
    measures=[
        {
            'name': 'amount',
            'expression': 'amount',
            'type': 'decimal(18, 2)',
            'aggregates': ['sum', 'last'],
            'by': 'channel',
            'values': ['web', 'call centre'],
        },
        {
            'name': 'channel',
            'expression': 'channel',
            'type': 'text',
            'aggregates': ['nunique', 'count', 'share'],
            'values': {'web': 'web', 'phoned': 'call centre'},
        },
    ],
    recency=false,
) }}
