{%- macro spine(definition, entity, population, observation, step=none, anchor=none, start=none, active_window=none) -%}
    {{ return(adapter.dispatch('spine', 'customer_retention')(
        definition, entity, population, observation, step, anchor, start, active_window
    )) }}
{%- endmacro -%}

{%- macro default__spine(definition, entity, population, observation, step, anchor, start, active_window) -%}
{%- do customer_retention._require_keys('spine', 'population', definition, population, {
    'end_date': ['relation', 'started_at', 'ended_at'],
    'inactivity': ['relation', 'event_at'],
    'supplied': ['relation', 'as_of'],
}) -%}
{%- if definition == 'supplied' -%}
{%- set wanted = var('feature_timestamps', none) -%}
select distinct
    {{ entity }},
    {{ population.as_of }} as feature_timestamp
from {{ population.relation }}
where
    {{ entity }} is not null
    and {{ population.as_of }} is not null
    {%- if wanted %}
    and {{ population.as_of }} in (
        {%- for time in wanted %}
        {{ customer_retention.timestamp_literal(time, 'feature_timestamps') }}{{ ',' if not loop.last }}
        {%- endfor %}
    )
    {%- endif %}
{%- else -%}
with

feature_times as (
    {{ customer_retention.feature_times(observation, step, anchor, start) | indent(4) }}
),
{% if definition == 'end_date' %}
-- at risk: a subscription whose start is visible and whose end is not
at_risk as (
    select distinct
        population.{{ entity }},
        feature_times.feature_timestamp
    from {{ '(select * from ' ~ population.relation ~ ' where ' ~ population.where ~ ')' if population.where else population.relation }} as population
    inner join feature_times
        on {{ customer_retention.visible(
            'population.' ~ population.started_at,
            'feature_times.feature_timestamp',
            customer_retention._qualified('population', population.started_available_at | default(none)),
            customer_retention._qualified('population', population.superseded_at | default(none)),
        ) }}
    where
        population.{{ entity }} is not null
        and not coalesce({{ customer_retention.visible(
            'population.' ~ population.ended_at,
            'feature_times.feature_timestamp',
            customer_retention._qualified('population', population.ended_available_at | default(none)),
        ) }}, false)
)
{% else %}
{%- set active_us = customer_retention.duration_us(active_window or var('active_window'), 'active_window') %}
-- at risk: at least one visible activity in the active window before the feature time
at_risk as (
    select distinct
        activity.{{ entity }},
        feature_times.feature_timestamp
    from (
        select *
        from {{ population.relation }}
        where
            {{ entity }} is not null
            {%- if population.where %}
            and ({{ population.where }})
            {%- endif %}
    ) as activity
    inner join feature_times
        on
            {{ customer_retention.visible(
                'activity.' ~ population.event_at,
                'feature_times.feature_timestamp',
                customer_retention._qualified('activity', population.available_at | default(none)),
                customer_retention._qualified('activity', population.superseded_at | default(none)),
            ) }}
            and {{ customer_retention.epoch_us('activity.' ~ population.event_at) }}
            >= {{ customer_retention.epoch_us('feature_times.feature_timestamp') }} - {{ active_us }}
)
{% endif %}
select
    {{ entity }},
    feature_timestamp
from at_risk
{%- endif -%}
{%- endmacro -%}

{#- Private: an optional column, with the alias of its relation. -#}
{%- macro _qualified(alias, column) -%}
    {{ return(none if column is none else alias ~ '.' ~ column) }}
{%- endmacro -%}

{#- Private: a definition must be known, and bring the columns that it needs. -#}
{%- macro _require_keys(macro_name, argument, definition, given, required) -%}
    {%- if definition not in required -%}
        {{ exceptions.raise_compiler_error(
            macro_name ~ ": definition `" ~ definition ~ "` is not known. Choose one of: " ~ required.keys() | join(', ') ~ "."
        ) }}
    {%- endif -%}
    {%- set missing = required[definition] | reject('in', given.keys() | list) | list -%}
    {%- if missing -%}
        {{ exceptions.raise_compiler_error(
            macro_name ~ ": `" ~ argument ~ "` lacks " ~ missing | join(', ') ~ ", which the definition `" ~ definition ~ "` needs."
        ) }}
    {%- endif -%}
{%- endmacro -%}
