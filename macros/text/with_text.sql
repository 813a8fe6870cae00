{%- macro with_text(rows, texts, column, components) -%}
    {{ return(adapter.dispatch('with_text', 'customer_retention')(rows, texts, column, components)) }}
{%- endmacro -%}

{%- macro default__with_text(rows, texts, column, components) -%}
{%- if components is not integer or components < 1 -%}
    {{ exceptions.raise_compiler_error("with_text: `components` must be a whole number from 1 on, not `" ~ components ~ "`.") }}
{%- endif -%}
{%- set names = ['characters'] -%}
{%- for number in range(1, components + 1) -%}
    {%- do names.append('pc' ~ number) -%}
{%- endfor -%}
select
    text_rows.*,
{%- if customer_retention.runs_python_models() %}
    {%- for name in names %}
    texts.{{ name }} as {{ column }}_{{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
from {{ rows }} as text_rows
left join {{ ref(texts) }} as texts
    on {{ dbt.hash('text_rows.' ~ column) }} = texts.text_hash
    -- the hash of nothing is that of an empty text on some engines
    and text_rows.{{ column }} is not null
{%- else %}
    {%- for name in names %}
    cast(null as {{ 'integer' if loop.first else 'decimal(9, 6)' }}) as {{ column }}_{{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
from {{ rows }} as text_rows
{%- endif %}
{%- endmacro -%}
