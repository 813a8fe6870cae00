[%- if outcome.definition != 'supplied' -%]
-- grain: one row per customer at risk at the newest feature time
[%- elif outcome.scores == 'unlabelled' -%]
-- grain: one row per customer without an outcome at the newest feature time, who is not known to have churned before
[%- else -%]
-- grain: one row per customer at the newest feature time who is not known to have churned
[%- endif %]
with

features as (
    select {{ customer_retention.columns_except(['row_fingerprint']) }} from {{ ref('gld_customer_features') }}
),

newest as (
    select max(feature_timestamp) as feature_timestamp from features
),
[% if outcome.definition == 'supplied' %]
labels as (
    select * from {{ ref('gld_churn_labels') }}
),
[% if outcome.scores != 'retained' %]
-- the last outcome of each customer that was known by then
outcomes as (
    select
        labels.[[ entity ]],
        labels.churned,
        row_number() over (partition by labels.[[ entity ]] order by labels.feature_timestamp desc) as recency
    from labels
    inner join newest on labels.label_timestamp <= newest.feature_timestamp
    where labels.churned is not null
),
[% endif %]
[%- endif %]
final as (
    select features.*
    from features
    inner join newest on features.feature_timestamp = newest.feature_timestamp
[%- if outcome.definition == 'supplied' %]
[%- if outcome.scores != 'active' %]
    inner join labels
        on
            features.[[ entity ]] = labels.[[ entity ]]
            and features.feature_timestamp = labels.feature_timestamp
            and [[ "labels.churned is null" if outcome.scores == 'unlabelled' else "(labels.churned is null or labels.churned = 0)" ]]
[%- endif %]
[%- if outcome.scores != 'retained' %]
    left join outcomes on features.[[ entity ]] = outcomes.[[ entity ]] and outcomes.recency = 1
    where coalesce(outcomes.churned, 0) = 0
[%- endif %]
[%- endif %]
)

select * from final
