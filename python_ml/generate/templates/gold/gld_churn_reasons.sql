-- grain: one row per customer and reason; the casts give an empty table its types
with

reasons as (
    select * from {{ ref('gld_churn_reasons_raw') }}
),

final as (
    select
        cast([[ entity ]] as {{ dbt.type_string() }}) as [[ entity ]],
        cast(feature as {{ dbt.type_string() }}) as feature,
        cast(feature_value as {{ dbt.type_string() }}) as feature_value,
        cast(reason as {{ dbt.type_string() }}) as reason,
        cast(reason_rank as integer) as reason_rank,
        cast(contribution as double) as contribution,
        cast(feature_timestamp as {{ dbt.type_timestamp() }}) as feature_timestamp
    from reasons
)

select * from final
