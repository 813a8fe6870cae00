{%- macro known_at(event_at, available_at=none) -%}
    {{ return(adapter.dispatch('known_at', 'customer_retention')(event_at, available_at)) }}
{%- endmacro -%}

{%- macro default__known_at(event_at, available_at) -%}
    {%- if available_at is none -%}
        {{ event_at }}
    {%- else -%}
        {#- Not greatest(): it passes over nulls, and a row that never happened would be known. -#}
        case when {{ available_at }} > {{ event_at }} then {{ available_at }} else {{ event_at }} end
    {%- endif -%}
{%- endmacro -%}
