-- grain: one row per subscription and time from which its price held
with

started as (
    select
        customer_id,
        plan,
        price_at_start as price,
        started_at as valid_from,
        available_at
    from {{ ref('brz_app__subscriptions') }}
),

repriced as (
    select
        price_changes.customer_id,
        subscriptions.plan,
        price_changes.new_price as price,
        price_changes.changed_at as valid_from,
        price_changes.available_at
    from {{ ref('brz_app__price_changes') }} as price_changes
    inner join {{ ref('brz_app__subscriptions') }} as subscriptions
        on price_changes.subscription_id = subscriptions.subscription_id
),

final as (
    select * from started
    union all
    select * from repriced
)

select * from final
