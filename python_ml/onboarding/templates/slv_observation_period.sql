-- grain: a single row; complete are the data up to the newest of the [[ activity.events ]], since they decide who has left
{{ customer_retention.observation_period([
    {
        'relation': ref('brz_[[ project ]]__[[ activity.name ]]'),
        'event_at': '[[ activity.time.name ]]',
[%- if activity.available %]
        'available_at': '[[ activity.available.name ]]',
[%- endif %]
    },
]) }}
