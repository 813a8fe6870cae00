-- grain: one row of the spine; scores beside the other customers of the same month
{{ customer_retention.rfm_scores(
    features=ref('orders_recency'),
    entity='customer_id',
    recency='orders_days_since_last',
    frequency='orders_count_all_time',
    monetary='orders_amount_sum_all_time',
    quantiles=4,
) }}
