{{ config(materialized='daily_table', unique_key=['customer_id', 'feature_timestamp']) }}
-- grain: one row per spine row; what they wrote to support before
with

windows as (
    {{ customer_retention.window_features(
        spine=ref('slv_spine'),
        events=ref('slv_tickets'),
        source='tickets',
        entity='customer_id',
        event_at='opened_at',
        available_at='available_at',
        measures=[
            {'name': 'satisfaction', 'expression': 'satisfaction', 'aggregates': ['mean', 'min'], 'windows': ['30d', '90d', 'all_time']},
            {'name': 'unhappy', 'expression': '1', 'where': 'satisfaction <= 2', 'aggregates': ['sum'], 'windows': ['30d', '90d']},
            {'name': 'urgent', 'expression': '1', 'where': "priority = 'high'", 'aggregates': ['sum'], 'windows': ['30d', '90d']},
        ] + customer_retention.text_measures('body', components=8, windows=['30d', 'all_time']),
        windows=['30d', '90d', 'all_time'],
        incremental='changed_rows',
    ) | indent(4) }}
),

final as (
    select
        *,
        {{ customer_retention.text_shift('tickets_body', components=8, recent='30d') | indent(8) }} as tickets_body_shift_30d
    from windows
)

select * from final
