-- grain: one row of the spine; of the orders of a day the one that was known last, as if each corrected the one before
with

orders as (
    select
        *,
        {{ customer_retention.superseded_at(
            key='customer_id, ' ~ customer_retention.utc_day('ordered_at'),
            known_at=customer_retention.known_at('ordered_at', 'available_at'),
            tie_breakers=['order_id'],
        ) }} as superseded_at
    from {{ ref('stg_orders') }}
),

corrected as (
    {{ customer_retention.window_features(
        spine=ref('spine_supplied'),
        events='orders',
        source='orders',
        entity='customer_id',
        event_at='ordered_at',
        available_at='available_at',
        superseded_at='superseded_at',
        measures=[{
            'name': 'weight',
            'expression': 'weight',
            'type': 'decimal(9, 2)',
            'aggregates': ['sum', 'min', 'max', 'first', 'last', 'nunique', 'mode'],
        }],
        windows=['30d', '90d', 'all_time'],
        rhythm=['active_days', 'recency_zscore'],
    ) | indent(4) }}
)

select * from corrected
