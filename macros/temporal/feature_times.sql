{%- macro feature_times(observation, step=none, anchor=none, start=none) -%}
    {{ return(adapter.dispatch('feature_times', 'customer_retention')(observation, step, anchor, start)) }}
{%- endmacro -%}

{%- macro default__feature_times(observation, step, anchor, start) -%}
{%- set explicit = var('feature_timestamps', none) -%}
{%- set step = (step or var('step')) | string -%}
{%- set anchor = customer_retention.timestamp_literal(anchor or var('spine_anchor'), 'anchor') -%}
{%- set start = start or var('spine_start', none) -%}
{%- set months = modules.re.match('^(\\d+) ?months?$', step) -%}
{%- if months and months.group(1) | int == 0 or not months and customer_retention.duration_us(step, 'step') == 0 -%}
    {{ exceptions.raise_compiler_error("step: `" ~ step ~ "` is no step forward in time.") }}
{%- endif -%}
{%- if explicit -%}
    {%- for time in explicit %}
select {{ customer_retention.timestamp_literal(time, 'feature_timestamps') }} as feature_timestamp
    {%- if not loop.last %}
union all
    {%- endif %}
    {%- endfor %}
{%- else -%}
{%- set first = customer_retention.timestamp_literal(start, 'start') if start else 'observation_start' -%}
select feature_timestamp
from (
    {%- if months %}
    select {{ customer_retention.add_months(anchor, 'grid_index * ' ~ months.group(1)) }} as feature_timestamp
    {%- else %}
    select {{ customer_retention.timestamp_from_us(
        customer_retention.epoch_us(anchor) ~ ' + grid_index * ' ~ customer_retention.duration_us(step, 'step')
    ) }} as feature_timestamp
    {%- endif %}
    from (
        select {{ customer_retention.explode_range('first_index', 'last_index') }} as grid_index
        from (
            {#- One index too many on either side does no harm: the times are filtered below. #}
            {%- if months %}
            select
                cast(floor(({{ customer_retention._month_number(first) }} - {{ customer_retention._month_number(anchor) }}) / {{ months.group(1) }}.0) as bigint) - 1 as first_index,
                cast(floor(({{ customer_retention._month_number('observation_end') }} - {{ customer_retention._month_number(anchor) }}) / {{ months.group(1) }}.0) as bigint) + 1 as last_index
            {%- else %}
            {%- set step_us = customer_retention.duration_us(step, 'step') %}
            select
                cast(floor(({{ customer_retention.epoch_us(first) }} - {{ customer_retention.epoch_us(anchor) }}) / {{ step_us }}.0) as bigint) - 1 as first_index,
                cast(floor(({{ customer_retention.epoch_us('observation_end') }} - {{ customer_retention.epoch_us(anchor) }}) / {{ step_us }}.0) as bigint) + 1 as last_index
            {%- endif %}
            from {{ observation }}
        ) as bounds
    ) as grid
) as times
cross join {{ observation }} as observation
where
    feature_timestamp <= observation_end
    and feature_timestamp >= {{ first }}
    and feature_timestamp > observation_start
{%- endif -%}
{%- endmacro -%}

{#- Private: calendar months since the year 0. -#}
{%- macro _month_number(timestamp) -%}
    (12 * extract(year from {{ timestamp }}) + extract(month from {{ timestamp }}))
{%- endmacro -%}
