-- grain: one raw row (retention offer, or its holdout); no row is dropped here, a bad one carries its reason
with

source as (
    select * from {{ ref('raw_crm__offers') }}
),

typed as (
    select
        {{ customer_retention.clean_text('offer_id') }} as offer_id,
        {{ customer_retention.clean_text('customer_id') }} as customer_id,
        lower({{ customer_retention.clean_text('arm') }}) as arm,
        {{ customer_retention.to_integer('discount_percent') }} as discount_percent,
        {{ customer_retention.to_timestamp('offered_at') }} as offered_at,
        {{ customer_retention.to_timestamp('available_at') }} as available_at,
        {{ customer_retention.clean_text('discount_percent') }} as discount_percent_raw,
        {{ customer_retention.clean_text('offered_at') }} as offered_at_raw,
        {{ customer_retention.clean_text('available_at') }} as available_at_raw
    from source
),

validated as (
    select
        *,
        {{ customer_retention.quarantine_reason([
            {'when': 'offer_id is null', 'reason': 'missing offer_id'},
            {'when': 'customer_id is null', 'reason': 'missing customer_id'},
            {'when': 'offered_at is null', 'reason': 'missing or unreadable offered_at'},
            {'when': 'available_at_raw is not null and available_at is null', 'reason': 'unreadable available_at'},
            {'when': customer_retention.implausible_time('offered_at'), 'reason': 'implausible offered_at'},
            {'when': "arm is null or arm not in ('offer', 'holdout')", 'reason': 'unknown arm'},
        ]) }} as invalid_reason
    from typed
),

ranked as (
    select
        *,
        {{ customer_retention.first_known_rank(
            key='offer_id',
            known_at=customer_retention.known_at('offered_at', 'available_at'),
            tie_breakers=['customer_id', 'arm', 'discount_percent', 'offered_at'],
            reason='invalid_reason',
        ) }} as copy_rank
    from validated
),

final as (
    select
        offer_id,
        customer_id,
        arm,
        discount_percent,
        offered_at,
        available_at,
        discount_percent_raw,
        offered_at_raw,
        available_at_raw,
        case
            when invalid_reason is not null then invalid_reason
            when copy_rank > 1 then 'duplicate offer_id'
        end as quarantine_reason
    from ranked
)

select * from final
