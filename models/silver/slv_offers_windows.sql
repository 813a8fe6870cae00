{{ config(materialized='daily_table', unique_key=['customer_id', 'feature_timestamp']) }}
-- grain: one row per spine row; which retention offers they had before
{{ customer_retention.window_features(
    spine=ref('slv_spine'),
    events=ref('brz_crm__offers'),
    source='offers',
    entity='customer_id',
    event_at='offered_at',
    available_at='available_at',
    measures=[
        {'name': 'discount_percent', 'expression': 'discount_percent', 'where': "arm = 'offer'", 'aggregates': ['max'], 'windows': ['30d', '90d']},
    ],
    where="arm = 'offer'",
    windows=['30d', '90d', 'all_time'],
    incremental='changed_rows',
) }}
