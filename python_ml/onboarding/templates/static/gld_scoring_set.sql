[%- if scenario.is_snapshot -%]
-- grain: one row per customer who is not known to have left
with

features as (
    select * from {{ ref('gld_customer_features') }}
),

labels as (
    select * from {{ ref('gld_churn_labels') }}
),

final as (
    select features.*
    from features
    inner join labels on features.[[ entity ]] = labels.[[ entity ]]
    where labels.churned is null or labels.churned = 0
)

select * from final
[%- else -%]
-- grain: one row per customer at the newest feature time
with

features as (
    select * from {{ ref('gld_customer_features') }}
),

newest as (
    select max(feature_timestamp) as feature_timestamp from features
),

final as (
    select features.*
    from features
    inner join newest on features.feature_timestamp = newest.feature_timestamp
)

select * from final
[%- endif %]
