{%- macro capped(expression, low=none, high=none) -%}
    {{ return(adapter.dispatch('capped', 'customer_retention')(expression, low, high)) }}
{%- endmacro -%}

{%- macro default__capped(expression, low, high) -%}
    {%- if low is none and high is none -%}
        {{ exceptions.raise_compiler_error("capped: say `low`, `high` or both.") }}
    {%- endif -%}
    {#- Not least() and greatest(): some engines pass over nulls. -#}
    case
            {%- if low is not none %}
            when {{ expression }} < {{ low }} then {{ low }}
            {%- endif %}
            {%- if high is not none %}
            when {{ expression }} > {{ high }} then {{ high }}
            {%- endif %}
            else {{ expression }}
        end
{%- endmacro -%}
