-- grain: one row per customer and time from which their attributes held
--
-- The change log knows the past; the snapshot also sees what the log misses, from its first run on.
with

change_log as (
    select
        customer_id,
        country,
        segment,
        marketing_opt_in,
        changed_at as valid_from,
        available_at,
        'change_log' as origin
    from {{ ref('brz_app__customer_changes') }}
),

snapshots as (
    select
        customer_id,
        country,
        segment,
        marketing_opt_in,
        dbt_valid_from as valid_from,
        dbt_valid_from as available_at,
        'snapshot' as origin
    from {{ ref('snp_customers') }}
),

unioned as (
    select * from change_log
    union all
    select * from snapshots
),

-- where both saw the same change, the log's word stands
ranked as (
    select
        *,
        row_number() over (
            partition by customer_id, valid_from
            order by origin, available_at, country, segment, marketing_opt_in
        ) as origin_rank
    from unioned
),

final as (
    select
        customer_id,
        country,
        segment,
        origin,
        marketing_opt_in,
        valid_from,
        available_at
    from ranked
    where origin_rank = 1
)

select * from final
