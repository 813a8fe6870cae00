{%- macro trimmed(text) -%}
    {{ return(adapter.dispatch('trimmed', 'customer_retention')(text)) }}
{%- endmacro -%}

{%- macro default__trimmed(text) -%}
    trim({{ text }})
{%- endmacro -%}

{%- macro spark__trimmed(text) -%}
    {#- Spark's trim leaves the no-break spaces of spreadsheets where they are. -#}
    regexp_replace({{ text }}, {{ customer_retention.text_literal('^\\p{Zs}+|\\p{Zs}+$') }}, '')
{%- endmacro -%}
