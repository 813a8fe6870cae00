{%- macro bit_or_agg(number) -%}
    {{ return(adapter.dispatch('bit_or_agg', 'customer_retention')(number)) }}
{%- endmacro -%}

{%- macro default__bit_or_agg(number) -%}
    bit_or({{ number }})
{%- endmacro -%}
