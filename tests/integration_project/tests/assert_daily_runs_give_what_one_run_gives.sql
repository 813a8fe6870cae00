-- rows that are in one of two tables alone: the one made at once, and another that was made run by run or in chunks
{%- set others = {
    'orders_daily': '*',
    'orders_kept': customer_retention.columns_except(['orders_fingerprint']),
    'orders_in_chunks': '*',
} %}
{% for other, columns in others.items() %}
(
    select '{{ other }}: missing' as mistake, *
    from {{ ref('orders_at_once') }}
    except all
    select '{{ other }}: missing' as mistake, {{ columns }}
    from {{ ref(other) }}
)
union all
(
    select '{{ other }}: not expected' as mistake, {{ columns }}
    from {{ ref(other) }}
    except all
    select '{{ other }}: not expected' as mistake, *
    from {{ ref('orders_at_once') }}
)
{%- if not loop.last %}
union all
{%- endif %}
{%- endfor %}
