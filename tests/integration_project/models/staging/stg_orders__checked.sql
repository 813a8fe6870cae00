-- grain: one raw row; nothing is dropped here, a bad row carries its reason
with

typed as (
    select
        {{ customer_retention.clean_text('order_id') }} as order_id,
        {{ customer_retention.clean_text('customer_id') }} as customer_id,
        lower({{ customer_retention.clean_text('channel') }}) as channel,
        {{ customer_retention.clean_text('note') }} as note,
        {{ customer_retention.clean_text('amount') }} as amount_raw,
        {{ customer_retention.to_integer('items') }} as items,
        {{ customer_retention.to_decimal('amount', 18, 2) }} as amount,
        cast({{ customer_retention.clean_text('weight') }} as double) as weight,
        {{ customer_retention.to_boolean('refunded') }} as is_refunded,
        coalesce(
            {{ customer_retention.to_timestamp('ordered_at') }},
            {{ customer_retention.to_timestamp('ordered_at', ['%d/%m/%Y %H:%M']) }}
        ) as ordered_at,
        {{ customer_retention.to_timestamp('available_at') }} as available_at
    from {{ ref('raw_orders') }}
),

validated as (
    select
        *,
        {{ customer_retention.known_at('ordered_at', 'available_at') }} as known_at,
        {{ customer_retention.quarantine_reason([
            {'when': 'customer_id is null', 'reason': "the customer's id is missing"},
            {'when': 'ordered_at is null', 'reason': 'missing or unreadable ordered_at'},
            {'when': customer_retention.implausible_time('ordered_at'), 'reason': 'implausible ordered_at'},
            {'when': 'amount_raw is not null and amount is null', 'reason': 'unreadable amount'},
        ]) }} as invalid_reason
    from typed
)

select
    *,
    cast({{ customer_retention.first_known_rank(
        key='order_id',
        known_at='known_at',
        tie_breakers=['customer_id', 'ordered_at', 'amount', 'channel', 'note'],
        reason='invalid_reason',
    ) }} as integer) as copy_rank
from validated
