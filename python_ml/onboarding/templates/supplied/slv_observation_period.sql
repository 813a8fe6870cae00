-- grain: a single row; from the first to the newest of the [[ activity.events ]], or to the last supplied outcome where that is later
{{ customer_retention.observation_period([
    {
        'relation': ref('[[ spec.model(activity) ]]'),
        'event_at': '[[ activity.time.name ]]',
[%- if activity.available_at %]
        'available_at': '[[ activity.available_at ]]',
[%- endif %]
    },
    {'relation': ref('slv_labels'), 'event_at': 'label_timestamp'},
]) }}
