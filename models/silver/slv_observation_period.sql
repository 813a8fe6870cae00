-- grain: a single row
{{ customer_retention.observation_period([
    {'relation': ref('brz_app__customer_changes'), 'event_at': 'changed_at', 'available_at': 'available_at'},
    {'relation': ref('brz_app__subscriptions'), 'event_at': 'started_at', 'available_at': 'available_at'},
    {'relation': ref('brz_app__price_changes'), 'event_at': 'changed_at', 'available_at': 'available_at'},
    {'relation': ref('brz_app__orders'), 'event_at': 'ordered_at', 'available_at': 'available_at'},
    {'relation': ref('brz_support__tickets'), 'event_at': 'opened_at', 'available_at': 'available_at'},
    {'relation': ref('brz_crm__offers'), 'event_at': 'offered_at', 'available_at': 'available_at'},
]) }}
