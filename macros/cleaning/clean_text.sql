{%- macro clean_text(column) -%}
    {{ return(adapter.dispatch('clean_text', 'customer_retention')(column)) }}
{%- endmacro -%}

{%- macro default__clean_text(column) -%}
    nullif({{ customer_retention.trimmed(column) }}, '')
{%- endmacro -%}
