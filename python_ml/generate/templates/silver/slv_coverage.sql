[%- if not outcome.is_departures -%]
-- grain: one row of [[ spans.events ]], from its start to its end; the end is null while it is open
with

spans as (
    select * from {{ ref('[[ plan.model(spans) ]]') }}
),
[% if spans.superseded %]
-- a span as it is known at last; it was known to have started when its first version was
newest as (
    select
        *,
        min([[ spans.available_at or spans.time ]]) over (partition by [[ spans.key | join(', ') ]]) as first_known_at
    from spans
),
[% endif %]
final as (
    select
        [[ entity ]],
        [[ spans.time ]] as started_at,
        [[ "first_known_at" if spans.superseded else spans.available_at or spans.time ]] as started_available_at,
        [[ spans.ended ]] as ended_at,
        [[ spans.ended_available or (spans.available_at if spans.superseded else spans.ended) ]] as ended_available_at
[%- if spans.superseded %]
    from newest
    where [[ spans.superseded ]] is null
[%- else %]
    from spans
[%- endif %]
)
[%- else -%]
-- grain: one row per customer and start of coverage, with the next departure after it; the end is null while it is open
with

starts as (
[%- if starts %]
    select
        [[ entity ]],
        [[ starts.time ]] as started_at,
        {{ customer_retention.known_at([[ starts.time | jinja ]][% if starts.available_at %], [[ starts.available_at | jinja ]][% endif %]) }} as started_available_at,
        0 as is_return
    from {{ ref('[[ plan.model(starts) ]]') }}
[%- else %]
    -- nothing records who signed up when: coverage starts with the first of the [[ activity.events ]]
    select
        [[ entity ]],
        min([[ activity.time ]]) as started_at,
        min({{ customer_retention.known_at([[ activity.time | jinja ]][% if activity.available_at %], [[ activity.available_at | jinja ]][% endif %]) }}) as started_available_at,
        0 as is_return
    from {{ ref('[[ plan.model(activity) ]]') }}
[%- if activity.reversal %]
    where not is_reversal
[%- endif %]
    group by [[ entity ]]
[%- endif %]
[%- if returns %]
    union all
    select
        [[ entity ]],
        [[ returns.time ]] as started_at,
        {{ customer_retention.known_at([[ returns.time | jinja ]][% if returns.available_at %], [[ returns.available_at | jinja ]][% endif %]) }} as started_available_at,
        1 as is_return
    from {{ ref('[[ plan.model(returns) ]]') }}
[%- endif %]
),

departures as (
    select
        [[ entity ]],
        [[ spans.time ]] as ended_at,
        {{ customer_retention.known_at([[ spans.time | jinja ]][% if spans.available_at %], [[ spans.available_at | jinja ]][% endif %]) }} as ended_available_at
    from {{ ref('[[ plan.model(spans) ]]') }}
),

-- a return at the very time of a departure comes after it
paired as (
    select
        starts.[[ entity ]],
        starts.started_at,
        starts.started_available_at,
        departures.ended_at,
        departures.ended_available_at,
        row_number() over (
            partition by starts.[[ entity ]], starts.started_at, starts.is_return
            order by departures.ended_at nulls last, departures.ended_available_at nulls last, starts.started_available_at
        ) as departure_rank
    from starts
    left join departures
        on
            starts.[[ entity ]] = departures.[[ entity ]]
            and (
                departures.ended_at > starts.started_at
                or (departures.ended_at = starts.started_at and starts.is_return = 0)
            )
),

final as (
    select
        [[ entity ]],
        started_at,
        started_available_at,
        ended_at,
        ended_available_at
    from paired
    where departure_rank = 1 and started_at is not null
)
[%- endif %]

select * from final
