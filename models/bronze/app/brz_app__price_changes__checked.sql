-- grain: one raw row (change of a subscription's price); no row is dropped here, a bad one carries its reason
with

source as (
    select * from {{ ref('raw_app__price_changes') }}
),

typed as (
    select
        {{ customer_retention.clean_text('price_change_id') }} as price_change_id,
        {{ customer_retention.clean_text('subscription_id') }} as subscription_id,
        {{ customer_retention.clean_text('customer_id') }} as customer_id,
        {{ customer_retention.to_decimal('old_price', 18, 2) }} as old_price,
        {{ customer_retention.to_decimal('new_price', 18, 2) }} as new_price,
        {{ customer_retention.to_timestamp('changed_at') }} as changed_at,
        {{ customer_retention.to_timestamp('available_at') }} as available_at,
        {{ customer_retention.clean_text('old_price') }} as old_price_raw,
        {{ customer_retention.clean_text('new_price') }} as new_price_raw,
        {{ customer_retention.clean_text('changed_at') }} as changed_at_raw,
        {{ customer_retention.clean_text('available_at') }} as available_at_raw
    from source
),

validated as (
    select
        *,
        {{ customer_retention.quarantine_reason([
            {'when': 'price_change_id is null', 'reason': 'missing price_change_id'},
            {'when': 'customer_id is null', 'reason': 'missing customer_id'},
            {'when': 'changed_at is null', 'reason': 'missing or unreadable changed_at'},
            {'when': 'available_at_raw is not null and available_at is null', 'reason': 'unreadable available_at'},
            {'when': customer_retention.implausible_time('changed_at'), 'reason': 'implausible changed_at'},
            {'when': 'old_price is null or new_price is null', 'reason': 'missing price'},
            {'when': 'old_price <= 0 or new_price <= 0', 'reason': 'price out of range'},
        ]) }} as invalid_reason
    from typed
),

ranked as (
    select
        *,
        {{ customer_retention.first_known_rank(
            key='price_change_id',
            known_at=customer_retention.known_at('changed_at', 'available_at'),
            tie_breakers=['subscription_id', 'customer_id', 'old_price', 'new_price', 'changed_at'],
            reason='invalid_reason',
        ) }} as copy_rank
    from validated
),

final as (
    select
        price_change_id,
        subscription_id,
        customer_id,
        old_price,
        new_price,
        changed_at,
        available_at,
        old_price_raw,
        new_price_raw,
        changed_at_raw,
        available_at_raw,
        case
            when invalid_reason is not null then invalid_reason
            when copy_rank > 1 then 'duplicate price_change_id'
        end as quarantine_reason
    from ranked
)

select * from final
