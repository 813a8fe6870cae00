{{ config(materialized='daily_table', unique_key=['customer_id', 'feature_timestamp']) }}
-- grain: one row per spine row; how their price moved before
{{ customer_retention.window_features(
    spine=ref('slv_spine'),
    events=ref('brz_app__price_changes'),
    source='price_changes',
    entity='customer_id',
    event_at='changed_at',
    available_at='available_at',
    measures=[
        {'name': 'increase_percent', 'expression': 'cast(100 * (new_price / old_price - 1) as decimal(18, 4))', 'aggregates': ['sum'], 'windows': ['30d', '90d', 'all_time']},
    ],
    windows=['30d', '90d', 'all_time'],
    incremental='changed_rows',
) }}
