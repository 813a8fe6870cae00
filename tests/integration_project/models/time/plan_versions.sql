-- grain: one change of plan, as a dbt snapshot of it would be told
with

-- columns as dbt names them; snapshots themselves need Delta on Spark
snapshot_of_plans as (
    select
        change_id,
        customer_id,
        plan,
        valid_from as dbt_valid_from,
        coalesce(valid_to, lead(valid_from) over (partition by customer_id order by valid_from, change_id)) as dbt_valid_to,
        coalesce(available_at, valid_from) as loaded_at
    from {{ ref('stg_plan_history') }}
),

plan_versions as (
    {{ customer_retention.snapshot_history(
        'snapshot_of_plans', 'customer_id', ['change_id', 'plan'], loaded_at='loaded_at'
    ) | indent(4) }}
)

select * from plan_versions
