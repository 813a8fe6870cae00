[%- if outcome.definition == 'inactivity' -%]
-- grain: one row per customer and feature time; churned = none of the [[ activity.events ]] in the label window
[%- elif outcome.definition == 'end_date' -%]
-- grain: one row per customer and feature time; churned = coverage ends in the label window and is not continued
[%- else -%]
-- grain: one row per customer and feature time; churned as supplied, null for rows that are only scored
[%- endif %]
{{ customer_retention.churn_labels(
    definition=var('churn_definition'),
    entity='[[ entity ]]',
    spine=ref('slv_spine'),
    outcome={
[%- if outcome.definition == 'inactivity' %]
        'relation': ref('[[ plan.model(activity) ]]'),
        'event_at': '[[ activity.time ]]',
[%- set conditions = (['not is_reversal'] if activity.reversal else []) + ([activity.superseded ~ ' is null'] if activity.superseded else []) %]
[%- if conditions %]
        'where': '[[ conditions | join(" and ") ]]',
[%- endif %]
[%- elif outcome.definition == 'end_date' %]
        'relation': ref('slv_coverage'),
        'started_at': 'started_at',
        'ended_at': 'ended_at',
[%- else %]
        'relation': ref('slv_labels'),
        'as_of': 'feature_timestamp',
        'label': 'churned',
        'label_at': 'label_timestamp',
[%- endif %]
    },
    observation=ref('slv_observation_period'),
) }}
