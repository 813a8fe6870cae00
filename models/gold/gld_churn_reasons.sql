-- grain: one row per customer and reason
with

reasons as (
    select * from {{ ref('gld_churn_reasons_raw') }}
),

final as (
    select
        customer_id,
        feature,
        feature_value,
        reason,
        cast(reason_rank as integer) as reason_rank,
        cast(contribution as double) as contribution,
        feature_timestamp
    from reasons
)

select * from final
