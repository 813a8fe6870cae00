{%- macro clean_text(column) -%}
    {{ return(adapter.dispatch('clean_text', 'customer_retention')(column)) }}
{%- endmacro -%}

{%- macro default__clean_text(column) -%}
    {#- Databases export a missing value as \N. -#}
    nullif(nullif({{ customer_retention.trimmed(column) }}, ''), {{ customer_retention.text_literal('\\N') }})
{%- endmacro -%}
