-- grain: one text; what each reading makes of it, null where it makes nothing
select
    {{ customer_retention.to_integer('text_id') }} as text_id,
    {{ customer_retention.clean_text('value') }} as as_text,
    {{ customer_retention.to_integer('value') }} as as_integer,
    {{ customer_retention.to_decimal('value', 18, 2) }} as as_decimal,
    {{ customer_retention.capped(customer_retention.to_integer('value'), low=0, high=10) }} as as_capped,
    {{ customer_retention.to_boolean('value') }} as as_boolean,
    {{ customer_retention.to_timestamp('value') }} as as_iso_time,
    {{ customer_retention.to_timestamp('value', ['%Y%m%d', '%Y%m%d%H%M%S']) }} as as_digits,
    {{ customer_retention.to_timestamp('value', ['%d.%m.%Y', '%d/%m/%Y %H:%M']) }} as as_day_first,
    {{ customer_retention.to_timestamp('value', ['%m/%d/%y', '%m/%d/%Y %I:%M %p']) }} as as_month_first,
    {{ customer_retention.to_timestamp('value', ['%d-%b-%Y', '%d %b %Y', '%B %d, %Y']) }} as as_named_month,
    {{ customer_retention.to_timestamp('value', ['%Y-%m-%dT%H:%M:%S.%f']) }} as as_fraction,
    {{ customer_retention.to_timestamp('value', ['%d.%m.%Y %H:%M:%S UTC']) }} as as_utc
from {{ ref('raw_texts') }}
