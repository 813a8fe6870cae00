{%- macro visible(event_at, as_of, available_at=none, superseded_at=none) -%}
    {{ return(adapter.dispatch('visible', 'customer_retention')(event_at, as_of, available_at, superseded_at)) }}
{%- endmacro -%}

{%- macro default__visible(event_at, as_of, available_at, superseded_at) -%}
    {%- set is_known = customer_retention.known_at(event_at, available_at) ~ ' < ' ~ as_of -%}
    {%- if superseded_at is none -%}
        {{ is_known }}
    {%- else -%}
        ({{ is_known }} and ({{ superseded_at }} is null or {{ as_of }} <= {{ superseded_at }}))
    {%- endif -%}
{%- endmacro -%}
