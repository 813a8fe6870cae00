-- grain: one row per spine row
{{ customer_retention.as_of_join(
    spine=ref('slv_spine'),
    history=ref('slv_customer_history'),
    entity='customer_id',
    valid_from='valid_from',
    available_at='available_at',
    columns=['country', 'segment', 'marketing_opt_in'],
    prefix='customer_',
) }}
