{%- macro visible(event_at, as_of, available_at=none) -%}
    {{ return(adapter.dispatch('visible', 'customer_retention')(event_at, as_of, available_at)) }}
{%- endmacro -%}

{%- macro default__visible(event_at, as_of, available_at) -%}
    {{ customer_retention.known_at(event_at, available_at) }} < {{ as_of }}
{%- endmacro -%}
