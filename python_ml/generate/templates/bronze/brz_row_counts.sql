-- grain: one row per source table and outcome
{%- set tables = [
[%- for source in sources %]
    '[[ project ]]__[[ source.name ]]',
[%- endfor %]
] %}
[%- set flagged = sources | selectattr("reversal") | list %]
[%- if flagged %]
{#- Kept rows with something to say about them. #}
{%- set notes = {
[%- for source in flagged %]
    '[[ project ]]__[[ source.name ]]': "case when is_reversal then 'kept: reversal, no activity' end",
[%- endfor %]
} %}
[%- endif %]
{% for table in tables %}
select
    '{{ table }}' as source_table,
    coalesce(quarantine_reason, [% if flagged %]{% if table in notes %}{{ notes[table] }}, {% endif %}[% endif %]'kept') as outcome,
    count(*) as row_count
from {{ ref('brz_' ~ table ~ '__checked') }}
group by 1, 2
{%- if not loop.last %}
union all
{%- endif %}
{%- endfor %}
