{%- macro to_integer(column, style='plain') -%}
    {{ return(adapter.dispatch('to_integer', 'customer_retention')(column, style)) }}
{%- endmacro -%}

{%- macro default__to_integer(column, style) -%}
    {#- By way of a decimal: engines differ in whether '3.0' is a whole number. -#}
    cast(try_cast({{ customer_retention.number_text(column, style) }} as decimal(18, 0)) as bigint)
{%- endmacro -%}
