-- grain: one order; each expression that engines write in their own way
select
    order_id,
    {{ customer_retention.epoch_us('ordered_at') }} as ordered_us,
    {{ customer_retention.epoch_us('cast(ordered_at as date)') }} as midnight_us,
    {{ customer_retention.utc_day('ordered_at') }} as utc_day,
    {{ customer_retention.floor_divide(customer_retention.epoch_us('ordered_at'), 1000000) }} as whole_second,
    {{ customer_retention.ticks('amount', 18, 2) }} as amount_ticks,
    {{ customer_retention.ticks('weight', 9, 2) }} as weight_ticks,
    {{ customer_retention.ticks('items', 9, 0) }} as item_ticks,
    {{ customer_retention.shift_left_one('coalesce(items, 62)') }} as item_bit,
    {{ customer_retention.bit_count('items') }} as item_bits,
    {{ customer_retention.to_text('amount') }} as amount_text,
    {{ customer_retention.to_text('items') }} as items_text,
    {{ customer_retention.to_text('is_refunded') }} as refunded_text,
    {{ customer_retention.to_text('ordered_at') }} as ordered_at_text,
    {{ customer_retention.text_literal("it's a \\ \"quote\"\n ä") }} as literal_text,
    {{ customer_retention.raw_column('note') }} as raw_note,
    {{ customer_retention.hash_value(['order_id', 'note']) }} >= 0 as hash_is_not_negative,
    {{ customer_retention.hash_value(['note', 'channel']) }}
    = {{ customer_retention.hash_value(['channel', 'note']) }} as hash_ignores_order,
    {{ customer_retention.add_months('ordered_at', '1') }} as a_month_later,
    {{ customer_retention.add_months('ordered_at', '-items') }} as months_before,
    {{ customer_retention.timestamp_from_us(customer_retention.epoch_us('ordered_at')) }} as ordered_at_again,
    {{ customer_retention.timestamp_literal('2024-02-29T23:59:59.999999') }} as a_moment
from {{ ref('stg_orders') }}
