{#-
    Private: the periods in which an entity is covered, from subscriptions that may overlap, follow one another or leave
    gaps. Gaps of at most the grace period are bridged. Times are microseconds; an open end is the greatest integer, and a
    start that no column holds the least. An end before its start counts as an end at the start.
-#}
{%- macro _coverage(outcome, entity, grace_us) -%}
{%- set open_end = '9223372036854775807' -%}
{%- set ended_us = 'coalesce(' ~ customer_retention.epoch_us(outcome.ended_at) ~ ', ' ~ open_end ~ ')' -%}
{%- if not outcome.started_at -%}
-- without starts, coverage lasts up to the last end
coverage as (
    select
        {{ entity }},
        -{{ open_end }} as covered_from_us,
        max({{ ended_us }}) as covered_to_us
    from {{ outcome.relation }}
    {%- if outcome.where %}
    where {{ outcome.where }}
    {%- endif %}
    group by {{ entity }}
),
{% else -%}
{%- set started_us = customer_retention.epoch_us(outcome.started_at) -%}
subscriptions as (
    select
        {{ entity }},
        {{ started_us }} as started_us,
        greatest({{ started_us }}, {{ ended_us }}) as ended_us
    from {{ outcome.relation }}
    where
        {{ outcome.started_at }} is not null
        {%- if outcome.where %}
        and ({{ outcome.where }})
        {%- endif %}
),

-- a period begins where nothing before it reaches
subscriptions_in_order as (
    select
        *,
        case
            when started_us - {{ grace_us }} <= max(ended_us) over (
                partition by {{ entity }}
                order by started_us
                rows between unbounded preceding and 1 preceding
            ) then 0
            else 1
        end as begins
    from subscriptions
),

-- by range: subscriptions that start together are in one period
subscriptions_by_period as (
    select
        *,
        sum(begins) over (
            partition by {{ entity }}
            order by started_us
            range between unbounded preceding and current row
        ) as period_number
    from subscriptions_in_order
),

coverage as (
    select
        {{ entity }},
        min(started_us) as covered_from_us,
        max(ended_us) as covered_to_us
    from subscriptions_by_period
    group by {{ entity }}, period_number
),
{% endif -%}
{%- endmacro -%}
