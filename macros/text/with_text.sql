{%- macro with_text(rows, texts, column, components, labels=[]) -%}
    {{ return(adapter.dispatch('with_text', 'customer_retention')(rows, texts, column, components, labels)) }}
{%- endmacro -%}

{%- macro default__with_text(rows, texts, column, components, labels) -%}
{%- if components is not integer or components < 1 -%}
    {{ exceptions.raise_compiler_error("with_text: `components` must be a whole number from 1 on, not `" ~ components ~ "`.") }}
{%- endif -%}
{%- if labels is string -%}
    {{ exceptions.raise_compiler_error("with_text: `labels` must be a list, such as ['" ~ labels ~ "'].") }}
{%- endif -%}
{%- set types = {'characters': 'integer'} -%}
{%- for number in range(1, components + 1) -%}
    {%- do types.update({'pc' ~ number: 'decimal(9, 6)'}) -%}
{%- endfor -%}
{%- for label in labels -%}
    {%- do types.update({label: dbt.type_string(), label ~ '_score': 'decimal(9, 6)'}) -%}
{%- endfor -%}
select
    text_rows.*,
{%- if customer_retention.runs_python_models() %}
    {%- for name in types %}
    texts.{{ name }} as {{ column }}_{{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
from {{ rows }} as text_rows
left join {{ ref(texts) }} as texts
    on {{ dbt.hash('text_rows.' ~ column) }} = texts.text_hash
    -- the hash of nothing is that of an empty text on some engines
    and text_rows.{{ column }} is not null
{%- else %}
    {%- for name, type in types.items() %}
    cast(null as {{ type }}) as {{ column }}_{{ name }}{{ ',' if not loop.last }}
    {%- endfor %}
from {{ rows }} as text_rows
{%- endif %}
{%- endmacro -%}
