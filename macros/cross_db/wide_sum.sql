{%- macro wide_sum(number) -%}
    {{ return(adapter.dispatch('wide_sum', 'customer_retention')(number)) }}
{%- endmacro -%}

{#- DuckDB adds bigints up in 128 bits by itself. -#}
{%- macro default__wide_sum(number) -%}
    sum({{ number }})
{%- endmacro -%}

{%- macro spark__wide_sum(number) -%}
    sum(cast({{ number }} as decimal(38, 0)))
{%- endmacro -%}
