{%- macro to_decimal(column, precision=18, scale=2) -%}
    {{ return(adapter.dispatch('to_decimal', 'customer_retention')(column, precision, scale)) }}
{%- endmacro -%}

{%- macro default__to_decimal(column, precision, scale) -%}
    try_cast({{ customer_retention.clean_text(column) }} as decimal({{ precision }}, {{ scale }}))
{%- endmacro -%}
