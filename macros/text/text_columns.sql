{%- macro text_columns(components, labels=[]) -%}
    {%- if components is not integer or components < 1 -%}
        {{ exceptions.raise_compiler_error("text_columns: `components` must be a whole number from 1 on, not `" ~ components ~ "`.") }}
    {%- endif -%}
    {%- if labels is string -%}
        {{ exceptions.raise_compiler_error("text_columns: `labels` must be a list, such as ['" ~ labels ~ "'].") }}
    {%- endif -%}
    {%- set types = {'text_hash': dbt.type_string(), 'characters': 'integer'} -%}
    {%- for number in range(1, components + 1) -%}
        {%- do types.update({'pc' ~ number: 'decimal(9, 6)'}) -%}
    {%- endfor -%}
    {%- for label in labels -%}
        {%- do types.update({label: dbt.type_string(), label ~ '_score': 'decimal(9, 6)'}) -%}
    {%- endfor -%}
    {{ return(types) }}
{%- endmacro -%}
