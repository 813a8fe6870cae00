-- grain: one row per customer and feature time whose outcome is known
with

features as (
    select {{ customer_retention.columns_except(['row_fingerprint']) }} from {{ ref('gld_customer_features') }}
),

labels as (
    select
        [[ entity ]],
        feature_timestamp,
        churned,
        label_timestamp
    from {{ ref('gld_churn_labels') }}
    where label_available_flag and churned is not null
),
[% if has_split %]
parts as (
    select
        [[ entity ]],
        feature_timestamp,
        [[ split_column ]]
    from {{ ref('slv_labels') }}
),
[% endif %]
final as (
    select *
    from features
    inner join labels using ([[ entity ]], feature_timestamp)
[%- if has_split %]
    inner join parts using ([[ entity ]], feature_timestamp)
[%- endif %]
)

select * from final
