{%- macro implausible_time(column, plausible_from=none, plausible_to=none) -%}
    {{ return(adapter.dispatch('implausible_time', 'customer_retention')(column, plausible_from, plausible_to)) }}
{%- endmacro -%}

{%- macro default__implausible_time(column, plausible_from, plausible_to) -%}
    {#- Fixed bounds rather than today: a definition must not read the clock. -#}
    ({{ column }} < {{ customer_retention.timestamp_literal(plausible_from or var('plausible_from')) }}
    or {{ column }} >= {{ customer_retention.timestamp_literal(plausible_to or var('plausible_to')) }})
{%- endmacro -%}
