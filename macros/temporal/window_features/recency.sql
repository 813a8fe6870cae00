{#- Private: recency, tenure and mean gap, over everything that is visible. -#}
{%- macro _recency_columns(declaration) -%}
    {%- if not declaration.recency -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set source, ever = declaration.source, declaration.ever -%}
    {%- set first, last, count = 'cumulated.first_event_us__' ~ ever, 'cumulated.last_event_us__' ~ ever, 'cumulated.event_count__' ~ ever -%}
    {%- set span = 'cast(' ~ last ~ ' - ' ~ first ~ ' as double) / 86400000000' -%}
    {{ return([
        {'name': source ~ '_days_since_last', 'expression': customer_retention._days_since('last', ever)},
        {'name': source ~ '_days_since_first', 'expression': customer_retention._days_since('first', ever)},
        {
            'name': source ~ '_mean_gap_days',
            'expression': 'case when ' ~ count ~ ' > 1 then ' ~ span ~ ' / cast(' ~ count ~ ' - 1 as double) end',
        },
    ]) }}
{%- endmacro -%}

{#- Days from the first or the last visible event to the feature time. -#}
{%- macro _days_since(which, ever) -%}
    cast(cumulated.as_of_us - cumulated.{{ which }}_event_us__{{ ever }} as double) / 86400000000
{%- endmacro -%}
