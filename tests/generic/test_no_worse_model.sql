{#- The champion's newest cohort, and its newest one with known outcomes, do not have a status. Passes until performance has been measured. -#}
{% test no_worse_model(model, status) %}

{#- Only a test that runs looks for the table: `dbt compile` needs no connection. -#}
{%- set runs = execute and flags.WHICH in ['build', 'test', 'retry'] %}
{%- set measured = not runs or load_relation(model) is not none %}
{%- if measured %}

with

newest as (
    select
        judged_by,
        max(period) as period
    from {{ model }}
    where is_champion
    group by judged_by
),

newest_of_all as (
    select max(period) as period
    from newest
)

select
    performance.model_version,
    performance.period,
    performance.because,
    performance.since
from {{ model }} as performance
inner join newest
    on
        performance.judged_by = newest.judged_by
        and performance.period = newest.period
cross join newest_of_all
where
    performance.status = '{{ status }}'
    and performance.is_champion
    and (performance.judged_by = 'realised' or performance.period = newest_of_all.period)

{%- else %}

select 1 as model_version
where 1 = 0

{%- endif %}

{% endtest %}
