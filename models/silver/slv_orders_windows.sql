{{ config(materialized='daily_table', unique_key=['customer_id', 'feature_timestamp']) }}
-- grain: one row per spine row; what they ordered before
{{ customer_retention.window_features(
    spine=ref('slv_spine'),
    events=ref('brz_app__orders'),
    source='orders',
    entity='customer_id',
    event_at='ordered_at',
    available_at='available_at',
    measures=[
        {'name': 'amount', 'expression': 'amount', 'aggregates': ['sum', 'mean', 'stddev', 'max'], 'windows': ['30d', '90d', 'all_time']},
        {'name': 'items', 'expression': 'items', 'aggregates': ['sum'], 'windows': ['30d', '90d']},
        {'name': 'category', 'expression': 'category', 'aggregates': ['nunique'], 'windows': ['90d', 'all_time']},
    ],
    incremental='changed_rows',
) }}
