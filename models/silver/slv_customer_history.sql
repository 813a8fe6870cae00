-- grain: one row per customer and time from which their attributes held
--
-- The change log knows the past; the snapshot also sees what the log misses, and rows that are gone, from its first run on.
-- Engines without snapshots have the change log alone.
{%- set takes_snapshots = customer_retention.takes_snapshots() %}
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
{%- if takes_snapshots %}

snapshot_versions as (
    {{ customer_retention.snapshot_history(
        ref('snp_customers'), 'customer_id', ['country', 'segment', 'marketing_opt_in'], loaded_at='loaded_at'
    ) | indent(4) }}
),

snapshots as (
    select
        customer_id,
        country,
        segment,
        marketing_opt_in,
        valid_from,
        available_at,
        'snapshot' as origin
    from snapshot_versions
),

-- from then on, nothing is known of a customer whose row is gone
deletions as (
    select
        customer_id,
        cast(null as {{ dbt.type_string() }}) as country,
        cast(null as {{ dbt.type_string() }}) as segment,
        cast(null as {{ dbt.type_boolean() }}) as marketing_opt_in,
        deleted_at as valid_from,
        deleted_at as available_at,
        'deletion' as origin
    from snapshot_versions
    where deleted_at is not null
),
{%- endif %}

unioned as (
    select * from change_log
    {%- if takes_snapshots %}
    union all
    select * from snapshots
    union all
    select * from deletions
    {%- endif %}
),

-- where both saw the same change, the log counts
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
