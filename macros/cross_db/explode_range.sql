{%- macro explode_range(low, high) -%}
    {{ return(adapter.dispatch('explode_range', 'customer_retention')(low, high)) }}
{%- endmacro -%}

{%- macro default__explode_range(low, high) -%}
    unnest(range({{ low }}, {{ high }} + 1))
{%- endmacro -%}

{%- macro spark__explode_range(low, high) -%}
    {#- A sequence runs downwards when it cannot run upwards. -#}
    explode(case when {{ low }} <= {{ high }} then sequence(cast({{ low }} as bigint), cast({{ high }} as bigint)) else array() end)
{%- endmacro -%}
