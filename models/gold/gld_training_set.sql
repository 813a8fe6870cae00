-- grain: one row per customer and feature time whose outcome is known
with

features as (
    select {{ customer_retention.columns_except(['row_fingerprint']) }} from {{ ref('gld_customer_features') }}
),

labels as (
    select
        customer_id,
        feature_timestamp,
        churned,
        label_timestamp
    from {{ ref('gld_churn_labels') }}
    where label_available_flag and churned is not null
),

final as (
    select *
    from features
    inner join labels using (customer_id, feature_timestamp)
)

select * from final
