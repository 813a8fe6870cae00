-- grain: one row per customer and time from which their attributes held
--
-- Tables without Delta take no snapshots: the change log alone.
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

ranked as (
    select
        *,
        row_number() over (
            partition by customer_id, valid_from
            order by available_at, country, segment, marketing_opt_in
        ) as origin_rank
    from change_log
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
