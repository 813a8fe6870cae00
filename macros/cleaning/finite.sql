{%- macro finite(number) -%}
    {{ return(adapter.dispatch('finite', 'customer_retention')(number)) }}
{%- endmacro -%}

{#- On every engine NaN is greater than any number. -#}
{%- macro default__finite(number) -%}
    case when abs(cast({{ number }} as double)) < 1e30 then cast({{ number }} as double) end
{%- endmacro -%}
