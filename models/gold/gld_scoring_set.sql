-- grain: one row per customer at risk at the newest feature time
with

features as (
    select {{ customer_retention.columns_except(['row_fingerprint']) }} from {{ ref('gld_customer_features') }}
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
