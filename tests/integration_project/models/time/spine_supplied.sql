-- grain: one customer and time that the shop asked for
{{ customer_retention.spine(
    definition='supplied',
    entity='customer_id',
    population={'relation': ref('stg_scoring_times'), 'as_of': 'scored_at'},
    observation=ref('observation'),
) }}
