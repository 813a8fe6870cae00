{%- macro to_decimal(column, precision=18, scale=2, style='plain') -%}
    {{ return(adapter.dispatch('to_decimal', 'customer_retention')(column, precision, scale, style)) }}
{%- endmacro -%}

{%- macro default__to_decimal(column, precision, scale, style) -%}
    try_cast({{ customer_retention.number_text(column, style) }} as decimal({{ precision }}, {{ scale }}))
{%- endmacro -%}
