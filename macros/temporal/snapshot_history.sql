{%- macro snapshot_history(snapshot, entity, columns, loaded_at=none) -%}
    {{ return(adapter.dispatch('snapshot_history', 'customer_retention')(snapshot, entity, columns, loaded_at)) }}
{%- endmacro -%}

{%- macro default__snapshot_history(snapshot, entity, columns, loaded_at) -%}
{%- if columns is string or not columns -%}
    {{ exceptions.raise_compiler_error("snapshot_history: `columns` must be a list with at least one column name.") }}
{%- endif -%}
select
    {{ entity }},
    {%- for column in columns %}
    {{ column }},
    {%- endfor %}
    dbt_valid_from as valid_from,
    -- an end that the next version gives is known only with that version; one that stands alone is a deletion
    case
        when dbt_valid_to = lead(dbt_valid_from) over (partition by {{ entity }} order by dbt_valid_from) then null
        else dbt_valid_to
    end as deleted_at,
    {{ loaded_at or 'dbt_valid_from' }} as available_at
from {{ snapshot }}
{%- endmacro -%}
