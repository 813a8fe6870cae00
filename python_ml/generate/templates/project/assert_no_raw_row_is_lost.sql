-- Every raw row is either kept or in quarantine, with a reason; none is lost or made up on the way.
{%- set tables = [
[%- for source in sources %]
    '[[ source.name ]]',
[%- endfor %]
] %}
with

raw_rows as (
    {%- for table in tables %}
    select
        '{{ table }}' as source_table,
        count(*) as row_count
    from {{ source('[[ project ]]', table) }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

bronze_rows as (
    {%- for table in tables %}
    select
        '{{ table }}' as source_table,
        (select count(*) from {{ ref('brz_[[ project ]]__' ~ table) }})
        + (select count(*) from {{ ref('brz_[[ project ]]__' ~ table ~ '__quarantine') }}) as row_count
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
)

select
    raw_rows.source_table,
    raw_rows.row_count as raw_row_count,
    bronze_rows.row_count as bronze_row_count
from raw_rows
left join bronze_rows on raw_rows.source_table = bronze_rows.source_table
where raw_rows.row_count is distinct from bronze_rows.row_count
