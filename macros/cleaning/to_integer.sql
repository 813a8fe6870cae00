{%- macro to_integer(column) -%}
    {{ return(adapter.dispatch('to_integer', 'customer_retention')(column)) }}
{%- endmacro -%}

{%- macro default__to_integer(column) -%}
    {#- By way of a decimal: engines differ in whether '3.0' is a whole number. -#}
    cast(try_cast({{ customer_retention.clean_text(column) }} as decimal(18, 0)) as bigint)
{%- endmacro -%}
