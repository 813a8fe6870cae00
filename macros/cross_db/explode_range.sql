{%- macro explode_range(low, high) -%}
    {{ return(adapter.dispatch('explode_range', 'customer_retention')(low, high)) }}
{%- endmacro -%}

{%- macro default__explode_range(low, high) -%}
    unnest(range({{ low }}, {{ high }} + 1))
{%- endmacro -%}

{%- macro spark__explode_range(low, high) -%}
    explode(sequence({{ low }}, greatest({{ low }}, {{ high }})))
{%- endmacro -%}
