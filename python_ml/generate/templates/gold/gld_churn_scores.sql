-- grain: one row per customer at risk; the casts give an empty table its types
with

scores as (
    select * from {{ ref('gld_churn_scores_raw') }}
),

final as (
    select
        cast([[ entity ]] as {{ dbt.type_string() }}) as [[ entity ]],
        cast(risk_band as {{ dbt.type_string() }}) as risk_band,
        cast(model_name as {{ dbt.type_string() }}) as model_name,
        cast(model_version as integer) as model_version,
        cast(churn_probability as double) as churn_probability,
        cast(feature_timestamp as {{ dbt.type_timestamp() }}) as feature_timestamp
    from scores
)

select * from final
