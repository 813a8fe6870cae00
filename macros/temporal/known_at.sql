{%- macro known_at(event_at, available_at=none) -%}
    {{ return(adapter.dispatch('known_at', 'customer_retention')(event_at, available_at)) }}
{%- endmacro -%}

{%- macro default__known_at(event_at, available_at) -%}
    {%- if available_at is none -%}
        {{ event_at }}
    {%- else -%}
        greatest({{ event_at }}, coalesce({{ available_at }}, {{ event_at }}))
    {%- endif -%}
{%- endmacro -%}
