-- grain: one row of the spine; every aggregate, rhythm and comparison there is
{{ customer_retention.window_features(
    spine=ref('spine_supplied'),
    events=ref('stg_orders'),
    source='orders',
    entity='customer_id',
    event_at='ordered_at',
    available_at='available_at',
    measures=[
        {
            'name': 'amount',
            'expression': 'amount',
            'type': 'decimal(18, 2)',
            'aggregates': [
                'count', 'sum', 'mean', 'min', 'max', 'variance', 'stddev', 'slope', 'first', 'last', 'last_per_mean',
                'nunique', 'mode', 'entropy',
            ],
        },
        {'name': 'weight', 'expression': 'weight', 'type': 'decimal(9, 2)', 'aggregates': ['sum', 'stddev', 'last']},
        {'name': 'returns', 'expression': '1', 'where': 'amount < 0', 'aggregates': ['sum'], 'windows': ['90d']},
        {
            'name': 'note',
            'expression': 'note',
            'type': 'text',
            'aggregates': ['count', 'first', 'last', 'nunique', 'mode', 'entropy'],
        },
        {
            'name': 'refund',
            'expression': 'is_refunded',
            'type': 'boolean',
            'aggregates': ['count', 'any', 'all', 'share', 'nunique', 'mode'],
        },
    ],
    rhythm=[
        'active_days', 'gap_stddev_days', 'longest_streak_days', 'current_streak_days', 'last_gap_days', 'median_gap_days',
        'longest_gap_days', 'recency_per_mean_gap', 'recency_per_longest_gap', 'recency_per_tenure', 'recency_zscore',
    ],
    comparisons=[
        {'of': 'count', 'kind': 'ratio', 'windows': ['7d', '90d']},
        {'of': 'amount_sum', 'kind': 'difference', 'windows': ['30d', 'all_time']},
        {'of': 'count', 'kind': 'velocity', 'windows': ['7d', '30d']},
        {'of': 'amount_sum', 'kind': 'momentum', 'windows': ['30d', '90d']},
        {'of': 'count', 'kind': 'acceleration', 'windows': ['7d', '30d', '90d']},
    ],
) }}
