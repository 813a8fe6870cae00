-- grain: one row per source table and outcome
{%- set tables = [
    'app__customers', 'app__customer_changes', 'app__subscriptions', 'app__price_changes', 'app__orders',
    'support__tickets', 'crm__offers',
] %}
{#- Kept rows with something to say about them. #}
{%- set notes = {
    'app__customers': "case when is_birth_year_out_of_range then 'kept: birth_year out of range, set to null' end",
} %}
{% for table in tables %}
select
    '{{ table }}' as source_table,
    coalesce(quarantine_reason, {% if table in notes %}{{ notes[table] }}, {% endif %}'kept') as outcome,
    count(*) as row_count
from {{ ref('brz_' ~ table ~ '__checked') }}
group by 1, 2
{%- if not loop.last %}
union all
{%- endif %}
{%- endfor %}
