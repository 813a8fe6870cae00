{%- macro as_of_join(spine, history, entity, valid_from, columns, valid_to=none, available_at=none, tie_breaker=none, prefix='') -%}
    {{ return(adapter.dispatch('as_of_join', 'customer_retention')(
        spine, history, entity, valid_from, columns, valid_to, available_at, tie_breaker, prefix
    )) }}
{%- endmacro -%}

{%- macro default__as_of_join(spine, history, entity, valid_from, columns, valid_to, available_at, tie_breaker, prefix) -%}
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
    from {{ history }}
),

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
    inner join known_history
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
        and ({{ valid_to }} is null or {{ customer_retention.epoch_us(valid_to) }} >= as_of_us)
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
