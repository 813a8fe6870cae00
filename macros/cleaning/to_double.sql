{%- macro to_double(column, style='plain') -%}
    {{ return(adapter.dispatch('to_double', 'customer_retention')(column, style)) }}
{%- endmacro -%}

{%- macro default__to_double(column, style) -%}
    {%- set number = 'try_cast(' ~ customer_retention.number_text(column, style) ~ ' as double)' -%}
    {{ customer_retention.finite(number) }}
{%- endmacro -%}
