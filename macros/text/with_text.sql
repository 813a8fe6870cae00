{%- macro with_text(rows, texts, column, components, labels=[]) -%}
    {{ return(adapter.dispatch('with_text', 'customer_retention')(rows, texts, column, components, labels)) }}
{%- endmacro -%}

{%- macro default__with_text(rows, texts, column, components, labels) -%}
select
    text_rows.*,
    {%- for name in customer_retention.text_columns(components, labels) if name != 'text_hash' %}
    texts.{{ name }} as {{ column }}_{{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
from {{ rows }} as text_rows
left join {{ ref(texts) }} as texts
    on {{ dbt.hash('text_rows.' ~ column) }} = texts.text_hash
    -- the hash of nothing is that of an empty text on some engines
    and text_rows.{{ column }} is not null
{%- endmacro -%}
