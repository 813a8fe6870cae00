[%- if observed.is_activity -%]
-- grain: a single row; the data is complete up to the newest of the [[ observed.events ]], since they decide who churned
[%- elif observed.has_labels and observed.sources -%]
-- grain: a single row; from the first to the newest of the [[ observed.events ]], or to the last supplied outcome where that is later
[%- elif observed.has_labels -%]
-- grain: a single row; from the first to the last time at which an outcome was known
[%- else -%]
-- grain: a single row; the data is complete up to the newest time that any source knows
[%- endif %]
{{ customer_retention.observation_period([
[%- for one in observed.sources %]
    {
        'relation': ref('[[ one.model ]]'),
        'event_at': '[[ one.time ]]',
[%- if one.available %]
        'available_at': '[[ one.available ]]',
[%- endif %]
    },
[%- endfor %]
[%- if observed.has_labels %]
    {'relation': ref('slv_labels'), 'event_at': 'label_timestamp'},
[%- endif %]
]) }}
