-- grain: one row per spine row; what they wrote to support before
{{ customer_retention.window_features(
    spine=ref('slv_spine'),
    events=ref('brz_support__tickets'),
    source='tickets',
    entity='customer_id',
    event_at='opened_at',
    available_at='available_at',
    measures=[
        {'name': 'satisfaction', 'expression': 'satisfaction', 'aggregates': ['mean', 'min'], 'windows': ['30d', '90d', 'all_time']},
        {'name': 'unhappy', 'expression': '1', 'where': 'satisfaction <= 2', 'aggregates': ['sum'], 'windows': ['30d', '90d']},
        {'name': 'urgent', 'expression': '1', 'where': "priority = 'high'", 'aggregates': ['sum'], 'windows': ['30d', '90d']},
    ],
    windows=['30d', '90d', 'all_time'],
) }}
