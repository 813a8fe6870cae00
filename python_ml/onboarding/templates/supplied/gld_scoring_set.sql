-- grain: one row per customer at the newest feature time who is not known to have left
with

features as (
    select * from {{ ref('gld_customer_features') }}
),

labels as (
    select * from {{ ref('gld_churn_labels') }}
),

newest as (
    select max(feature_timestamp) as feature_timestamp from features
),

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

final as (
    select features.*
    from features
    inner join newest on features.feature_timestamp = newest.feature_timestamp
[%- if scores_file %]
    inner join labels
        on
            features.[[ entity ]] = labels.[[ entity ]]
            and features.feature_timestamp = labels.feature_timestamp
            and labels.churned is null
[%- endif %]
    left join outcomes on features.[[ entity ]] = outcomes.[[ entity ]] and outcomes.recency = 1
    where coalesce(outcomes.churned, 0) = 0
)

select * from final
