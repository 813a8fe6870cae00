-- grain: one row per linked table and outcome
{%- set tables = [
[%- for source in linked %]
    '[[ source.name ]]',
[%- endfor %]
] %}
{% for table in tables %}
select
    '{{ table }}' as linked_table,
    coalesce(quarantine_reason, 'kept') as outcome,
    count(*) as row_count
from {{ ref('slv_' ~ table ~ '__linked') }}
group by 1, 2
{%- if not loop.last %}
union all
{%- endif %}
{%- endfor %}
