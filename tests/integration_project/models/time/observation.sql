-- grain: one row
{{ customer_retention.observation_period(sources=[
    {'relation': ref('stg_orders'), 'event_at': 'ordered_at', 'available_at': 'available_at'},
    {'relation': ref('stg_plan_history'), 'event_at': 'valid_from', 'available_at': 'available_at'},
    {'relation': ref('stg_subscriptions'), 'event_at': 'started_at', 'available_at': 'started_available_at'},
]) }}
