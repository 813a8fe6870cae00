-- grain: a single row; complete are the data up to the newest of the [[ activity.events ]], since they decide who has left
{{ customer_retention.observation_period([
    {
        'relation': ref('[[ spec.model(activity) ]]'),
        'event_at': '[[ activity.time.name ]]',
[%- if activity.available_at %]
        'available_at': '[[ activity.available_at ]]',
[%- endif %]
    },
]) }}
