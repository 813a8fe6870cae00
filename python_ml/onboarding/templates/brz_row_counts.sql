-- grain: one row per source table and outcome
{%- set tables = [
[%- for source in sources %]
    '[[ project ]]__[[ source.name ]]',
[%- endfor %]
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
