-- grain: one raw row (order); no row is dropped here, a bad one carries its reason
with

source as (
    select * from {{ ref('raw_app__orders') }}
),

typed as (
    select
        {{ customer_retention.clean_text('order_id') }} as order_id,
        {{ customer_retention.clean_text('customer_id') }} as customer_id,
        lower({{ customer_retention.clean_text('category') }}) as category,
        {{ customer_retention.to_integer('items') }} as items,
        {{ customer_retention.to_decimal('amount', 18, 2) }} as amount,
        {{ customer_retention.to_timestamp('ordered_at') }} as ordered_at,
        {{ customer_retention.to_timestamp('available_at') }} as available_at,
        {{ customer_retention.clean_text('items') }} as items_raw,
        {{ customer_retention.clean_text('amount') }} as amount_raw,
        {{ customer_retention.clean_text('ordered_at') }} as ordered_at_raw,
        {{ customer_retention.clean_text('available_at') }} as available_at_raw
    from source
),

validated as (
    select
        *,
        {{ customer_retention.quarantine_reason([
            {'when': 'order_id is null', 'reason': 'missing order_id'},
            {'when': 'customer_id is null', 'reason': 'missing customer_id'},
            {'when': 'ordered_at is null', 'reason': 'missing or unreadable ordered_at'},
            {'when': 'available_at_raw is not null and available_at is null', 'reason': 'unreadable available_at'},
            {'when': customer_retention.implausible_time('ordered_at'), 'reason': 'implausible ordered_at'},
            {'when': 'amount_raw is not null and amount is null', 'reason': 'unreadable amount'},
            {'when': 'amount not between 0 and 10000', 'reason': 'amount out of range'},
            {'when': 'items not between 1 and 100', 'reason': 'items out of range'},
        ]) }} as invalid_reason
    from typed
),

ranked as (
    select
        *,
        {{ customer_retention.first_known_rank(
            key='order_id',
            known_at=customer_retention.known_at('ordered_at', 'available_at'),
            tie_breakers=['customer_id', 'category', 'items', 'amount', 'ordered_at'],
            reason='invalid_reason',
        ) }} as copy_rank
    from validated
),

final as (
    select
        order_id,
        customer_id,
        category,
        items,
        amount,
        ordered_at,
        available_at,
        items_raw,
        amount_raw,
        ordered_at_raw,
        available_at_raw,
        case
            when invalid_reason is not null then invalid_reason
            when copy_rank > 1 then 'duplicate order_id'
        end as quarantine_reason
    from ranked
)

select * from final
