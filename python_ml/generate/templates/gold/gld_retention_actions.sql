-- grain: one row per customer to contact or to hold out; the casts give an empty table its types
with

actions as (
    select * from {{ ref('gld_retention_actions_raw') }}
),

final as (
    select
        cast([[ entity ]] as {{ dbt.type_string() }}) as [[ entity ]],
        cast(risk_band as {{ dbt.type_string() }}) as risk_band,
        cast(ranked_by as {{ dbt.type_string() }}) as ranked_by,
        cast(suggested_action as {{ dbt.type_string() }}) as suggested_action,
        cast(reason_1 as {{ dbt.type_string() }}) as reason_1,
        cast(reason_2 as {{ dbt.type_string() }}) as reason_2,
        cast(reason_3 as {{ dbt.type_string() }}) as reason_3,
        cast(priority as integer) as priority,
        cast(model_version as integer) as model_version,
        cast(churn_probability as double) as churn_probability,
        cast(customer_value as double) as customer_value,
        cast(value_at_risk as double) as value_at_risk,
        cast(uplift as double) as uplift,
        cast(expected_profit as double) as expected_profit,
        cast(expected_cost as double) as expected_cost,
        cast(holdout_flag as boolean) as holdout_flag,
        cast(feature_timestamp as {{ dbt.type_timestamp() }}) as feature_timestamp,
        cast(expires_at as {{ dbt.type_timestamp() }}) as expires_at
    from actions
)

select * from final
