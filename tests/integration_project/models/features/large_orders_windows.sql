-- grain: one row of the spine; no window lasts for ever, windows out of order, no recency
{{ customer_retention.window_features(
    spine=ref('spine_inactivity'),
    events=ref('stg_orders'),
    source='large_orders',
    entity='customer_id',
    event_at='ordered_at',
    where='amount > 20 or amount is null',
    windows=['30d', '36h', '1w'],
    measures=[
        {'name': 'items', 'expression': 'items', 'aggregates': ['min', 'max'], 'type': 'decimal(6, 0)'},
    ],
    recency=false,
) }}
