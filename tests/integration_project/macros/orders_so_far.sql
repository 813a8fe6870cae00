{#- The same features twice: kept up to date run by run, and made at once. -#}
{%- macro orders_so_far(incremental=none) -%}
    {{ return(customer_retention.window_features(
        spine=ref('spine_to_date'),
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
                'aggregates': ['sum', 'stddev', 'last', 'nunique'],
            },
            {'name': 'channel', 'expression': 'channel', 'aggregates': ['nunique', 'mode']},
        ],
        incremental=incremental,
    )) }}
{%- endmacro -%}
