-- grain: one raw row (subscription); no row is dropped here, a bad one carries its reason
with

source as (
    select * from {{ ref('raw_app__subscriptions') }}
),

typed as (
    select
        {{ customer_retention.clean_text('subscription_id') }} as subscription_id,
        {{ customer_retention.clean_text('customer_id') }} as customer_id,
        lower({{ customer_retention.clean_text('plan') }}) as plan,
        {{ customer_retention.to_decimal('price_at_start', 18, 2) }} as price_at_start,
        {{ customer_retention.to_timestamp('started_at') }} as started_at,
        {{ customer_retention.to_timestamp('available_at') }} as available_at,
        {{ customer_retention.to_timestamp('ended_at') }} as ended_at,
        {{ customer_retention.to_timestamp('ended_recorded_at') }} as ended_recorded_at,
        {{ customer_retention.clean_text('price_at_start') }} as price_at_start_raw,
        {{ customer_retention.clean_text('started_at') }} as started_at_raw,
        {{ customer_retention.clean_text('available_at') }} as available_at_raw,
        {{ customer_retention.clean_text('ended_at') }} as ended_at_raw,
        {{ customer_retention.clean_text('ended_recorded_at') }} as ended_recorded_at_raw
    from source
),

validated as (
    select
        *,
        {{ customer_retention.quarantine_reason([
            {'when': 'subscription_id is null', 'reason': 'missing subscription_id'},
            {'when': 'customer_id is null', 'reason': 'missing customer_id'},
            {'when': 'started_at is null', 'reason': 'missing or unreadable started_at'},
            {'when': 'available_at_raw is not null and available_at is null', 'reason': 'unreadable available_at'},
            {'when': customer_retention.implausible_time('started_at'), 'reason': 'implausible started_at'},
            {'when': 'ended_at_raw is not null and ended_at is null', 'reason': 'unreadable ended_at'},
            {'when': 'ended_at < started_at', 'reason': 'ended before it started'},
        ]) }} as invalid_reason
    from typed
),

ranked as (
    select
        *,
        {{ customer_retention.first_known_rank(
            key='subscription_id',
            known_at=customer_retention.known_at('started_at', 'available_at'),
            tie_breakers=['customer_id', 'plan', 'price_at_start', 'started_at', 'ended_at', 'ended_recorded_at'],
            reason='invalid_reason',
        ) }} as copy_rank
    from validated
),

final as (
    select
        subscription_id,
        customer_id,
        plan,
        price_at_start,
        started_at,
        available_at,
        ended_at,
        ended_recorded_at,
        price_at_start_raw,
        started_at_raw,
        available_at_raw,
        ended_at_raw,
        ended_recorded_at_raw,
        case
            when invalid_reason is not null then invalid_reason
            when copy_rank > 1 then 'duplicate subscription_id'
        end as quarantine_reason
    from ranked
)

select * from final
