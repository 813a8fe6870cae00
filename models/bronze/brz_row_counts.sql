-- grain: one row per source table and outcome
{%- set tables = [
    'app__customers', 'app__customer_changes', 'app__subscriptions', 'app__price_changes', 'app__orders',
    'support__tickets', 'crm__offers',
] %}
{% for table in tables %}
select
    '{{ table }}' as source_table,
    coalesce(quarantine_reason, 'kept') as outcome,
    count(*) as row_count
from {{ ref('brz_' ~ table ~ '__checked') }}
group by 1, 2
{%- if not loop.last %}
union all
{%- endif %}
{%- endfor %}
