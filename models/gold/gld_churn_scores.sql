-- grain: one row per customer at risk
with

scores as (
    select * from {{ ref('gld_churn_scores_raw') }}
),

final as (
    select
        customer_id,
        risk_band,
        model_name,
        cast(model_version as integer) as model_version,
        cast(churn_probability as double) as churn_probability,
        feature_timestamp
    from scores
)

select * from final
