{%- macro bit_count(number) -%}
    {{ return(adapter.dispatch('bit_count', 'customer_retention')(number)) }}
{%- endmacro -%}

{%- macro default__bit_count(number) -%}
    {#- DuckDB's own answer is a tinyint, in which two of them hardly add up. -#}
    cast(bit_count({{ number }}) as bigint)
{%- endmacro -%}
