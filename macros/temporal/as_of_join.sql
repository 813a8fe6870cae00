{%- macro as_of_join(
    spine, history, entity, valid_from, columns, valid_to=none, available_at=none, tie_breaker=none, prefix='',
    ended_available_at=none
) -%}
    {{ return(adapter.dispatch('as_of_join', 'customer_retention')(
        spine, history, entity, valid_from, columns, valid_to, available_at, tie_breaker, prefix, ended_available_at
    )) }}
{%- endmacro -%}

{%- macro default__as_of_join(
    spine, history, entity, valid_from, columns, valid_to, available_at, tie_breaker, prefix, ended_available_at
) -%}
{%- if columns is string or not columns -%}
    {{ exceptions.raise_compiler_error("as_of_join: `columns` must be a list with at least one column name.") }}
{%- endif -%}
{#- The last resort of the order is the columns themselves: rows that tie in all of them are the same. -#}
{%- set tie_breakers = ([tie_breaker] if tie_breaker else []) + columns -%}
with

as_of_times as (
    select
        {{ entity }},
        feature_timestamp,
        {{ customer_retention.epoch_us('feature_timestamp') }} as as_of_us
    from {{ spine }}
),

known_history as (
    select
        *,
        {{ customer_retention.epoch_us(valid_from) }} as valid_from_us,
        {{ customer_retention.epoch_us(customer_retention.known_at(valid_from, available_at)) }} as known_us
        {%- if valid_to %},
        {{ customer_retention.epoch_us(valid_to) }} as valid_to_us,
        {{ customer_retention.epoch_us(customer_retention.known_at(valid_to, ended_available_at)) }} as end_known_us
        {%- endif %}
    from {{ history }}
),
{%- if valid_to and not ended_available_at %}

version_starts as (
    select
        {{ entity }},
        valid_from_us as start_us,
        count(*) as versions
    from known_history
    group by {{ entity }}, valid_from_us
),

-- an end at which another version starts was written with that version, so until that one is known there was none
versions as (
    select
        known_history.*,
        case when version_starts.start_us is null then known_history.end_known_us end as own_end_us
    from known_history
    left join version_starts
        on
            known_history.{{ entity }} = version_starts.{{ entity }}
            and known_history.valid_to_us = version_starts.start_us
            and (known_history.valid_from_us <> version_starts.start_us or version_starts.versions > 1)
),
{%- endif %}

-- what was known at each feature time, latest first
candidates as (
    select
        as_of_times.as_of_us,
        known_history.*,
        as_of_times.feature_timestamp as as_of_timestamp,
        row_number() over (
            partition by as_of_times.{{ entity }}, as_of_times.feature_timestamp
            order by
                known_history.valid_from_us desc,
                known_history.known_us desc
                {%- for column in tie_breakers %},
                known_history.{{ column }} desc nulls last
                {%- endfor %}
        ) as latest_rank
    from as_of_times
    inner join {{ 'versions as known_history' if valid_to and not ended_available_at else 'known_history' }}
        on
            as_of_times.{{ entity }} = known_history.{{ entity }}
            and known_history.known_us < as_of_times.as_of_us
),

latest as (
    select *
    from candidates
    where
        latest_rank = 1
        {%- if valid_to %}
        {%- set end_us = 'end_known_us' if ended_available_at else 'own_end_us' %}
        and ({{ end_us }} is null or {{ end_us }} >= as_of_us)
        {%- endif %}
)

select
    as_of_times.{{ entity }},
    as_of_times.feature_timestamp
    {%- for column in columns %},
    latest.{{ column }}{% if prefix %} as {{ prefix }}{{ column }}{% endif %}
    {%- endfor %}
from as_of_times
left join latest
    on
        as_of_times.{{ entity }} = latest.{{ entity }}
        and as_of_times.feature_timestamp = latest.as_of_timestamp
{%- endmacro -%}
