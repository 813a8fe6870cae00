{%- macro observation_period(sources, observation_end=none) -%}
    {{ return(adapter.dispatch('observation_period', 'customer_retention')(sources, observation_end)) }}
{%- endmacro -%}

{%- macro default__observation_period(sources, observation_end) -%}
{%- if not sources -%}
    {{ exceptions.raise_compiler_error("observation_period: `sources` is empty. Give a list of {relation, event_at, available_at}.") }}
{%- endif -%}
{%- for source in sources if not source.relation or not source.event_at -%}
    {{ exceptions.raise_compiler_error(
        "observation_period: sources[" ~ loop.index0 ~ "] lacks relation or event_at. Give {relation, event_at, available_at}."
    ) }}
{%- endfor -%}
{%- set observation_end = observation_end or var('observation_end', none) -%}
with

all_sources as (
    {%- for source in sources %}
    select
        min({{ source.event_at }}) as first_event_at,
        max({{ customer_retention.known_at(source.event_at, source.available_at | default(none)) }}) as last_known_at
    from {{ source.relation }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
)

select
    min(first_event_at) as observation_start,
    {% if observation_end is not none -%}
    {{ customer_retention.timestamp_literal(observation_end, 'observation_end') }} as observation_end
    {%- else -%}
    max(last_known_at) as observation_end
    {%- endif %}
from all_sources
{%- endmacro -%}
