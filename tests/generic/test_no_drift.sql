{#- In the newest period, nothing that the champion sees has a status, apart from drift that is accepted. Passes until drift has been measured. -#}
{% test no_drift(model, status) %}

{#- Only a test that runs looks for the table: `dbt compile` needs no connection. -#}
{%- set runs = execute and flags.WHICH in ['build', 'test', 'retry'] %}
{%- set measured = not runs or load_relation(model) is not none %}
{%- if measured %}

with

newest as (
    select
        kind,
        max(current_period) as current_period
    from {{ model }}
    group by kind
)

select
    drift.feature,
    drift.kind,
    drift.effect,
    drift.since
from {{ model }} as drift
inner join newest
    on
        drift.kind = newest.kind
        and drift.current_period = newest.current_period
where
    drift.status = '{{ status }}'
    and drift.accepted_because is null
    and (drift.is_model_input or drift.kind <> 'feature')

{%- else %}

select 1 as feature
where 1 = 0

{%- endif %}

{% endtest %}
