{%- macro window_features(
    spine, events, source, entity, event_at, available_at=none, measures=[], windows=none, where=none, recency=true
) -%}
    {{ return(adapter.dispatch('window_features', 'customer_retention')(
        spine, events, source, entity, event_at, available_at, measures, windows, where, recency
    )) }}
{%- endmacro -%}

{%- macro default__window_features(
    spine, events, source, entity, event_at, available_at, measures, windows, where, recency
) -%}
{%- set usual = ['24h', '7d', '30d', '90d', '180d', '365d', 'all_time'] -%}
{%- set windows = customer_retention._sorted_windows(windows or var('windows', usual)) -%}
{%- set measures = customer_retention._checked_measures(source, measures, windows) -%}
{%- set sums = measures | selectattr('is_numeric') | list -%}
{%- set spreads = measures | selectattr('has_stddev') | list -%}
{%- set distincts = measures | selectattr('has_nunique') | list -%}
{#- Recency looks at all visible events; without it, nothing older than the longest window is needed. -#}
{%- set longest = windows | last -%}
{%- set keep_older = recency or longest.us is none -%}
with

-- integer microseconds: exact on every engine, whatever a time zone or a clock change does
as_of_times as (
    select
        {{ entity }},
        feature_timestamp,
        {{ customer_retention.epoch_us('feature_timestamp') }} as as_of_us
    from {{ spine }}
),

-- one row an event; numbers as whole ticks of their last decimal, so that sums do not depend on row order
timed_events as (
    select
        {{ entity }},
        {{ customer_retention.epoch_us(event_at) }} as event_us,
        {{ customer_retention.epoch_us(customer_retention.known_at(event_at, available_at)) }} as known_us
        {%- for measure in sums %},
        cast(cast(cast({{ customer_retention._restricted(measure) }} as decimal({{ measure.precision }}, {{ measure.scale }})) as decimal(38, {{ measure.scale }})) * {{ 10 ** measure.scale }} as bigint) as {{ measure.name }}__ticks
        {%- endfor %}
        {%- for measure in distincts %},
        {{ customer_retention._restricted(measure) }} as {{ measure.name }}__value
        {%- endfor %}
    from {{ events }}
    where
        {{ entity }} is not null
        and {{ event_at }} is not null
        {%- if where %}
        and ({{ where }})
        {%- endif %}
),

-- every visible event at every feature time, once, in the smallest window that holds it
visible_events as (
    select
        as_of_times.feature_timestamp,
        timed_events.*,
        {% if windows[0].us is none -%}
        1
        {%- else -%}
        case
            {%- for window in windows if window.us is not none %}
            when timed_events.event_us >= as_of_times.as_of_us - {{ window.us }} then {{ loop.index }} -- {{ window.name }}
            {%- endfor %}
            else {{ windows | length if longest.us is none else windows | length + 1 }} -- {{ 'all_time' if longest.us is none else 'older than every window' }}
        end
        {%- endif %} as smallest_window
    from timed_events
    inner join as_of_times
        on
            timed_events.{{ entity }} = as_of_times.{{ entity }}
            and timed_events.known_us < as_of_times.as_of_us
            {%- if not keep_older %}
            and timed_events.event_us >= as_of_times.as_of_us - {{ longest.us }}
            {%- endif %}
),

-- partial results that add up: windows are nested, so each is the sum of its smaller ones
partials as (
    select
        {{ entity }},
        feature_timestamp,
        smallest_window,
        count(*) as event_count
        {%- if recency %},
        min(event_us) as first_event_us,
        max(event_us) as last_event_us
        {%- endif %}
        {%- for measure in sums %},
        count({{ measure.name }}__ticks) as {{ measure.name }}__count,
        sum({{ measure.name }}__ticks) as {{ measure.name }}__sum,
        min({{ measure.name }}__ticks) as {{ measure.name }}__min,
        max({{ measure.name }}__ticks) as {{ measure.name }}__max
        {%- endfor %}
        {%- for measure in spreads %},
        sum(cast({{ measure.name }}__ticks as decimal(38, 0)) * {{ measure.name }}__ticks) as {{ measure.name }}__sum_of_squares
        {%- endfor %}
    from visible_events
    group by 1, 2, 3
),
{% for measure in distincts %}
-- a value counts in the smallest window in which it occurs
{{ measure.name }}__values as (
    select
        {{ entity }},
        feature_timestamp,
        {{ measure.name }}__value,
        min(smallest_window) as smallest_window
    from visible_events
    where {{ measure.name }}__value is not null
    group by 1, 2, 3
),

{{ measure.name }}__distinct as (
    select
        {{ entity }},
        feature_timestamp
        {%- for window in measure.windows %},
        count(case when smallest_window <= {{ window.index }} then 1 end) as {{ source }}_{{ measure.name }}_nunique_{{ window.name }}
        {%- endfor %}
    from {{ measure.name }}__values
    group by 1, 2
),
{% endfor %}
cumulated as (
    select
        {{ entity }},
        feature_timestamp
        {%- for window in windows %},
        sum(case when smallest_window <= {{ window.index }} then event_count end) as count__{{ window.name }}
        {%- endfor %}
        {%- if recency %},
        sum(event_count) as event_count,
        min(first_event_us) as first_event_us,
        max(last_event_us) as last_event_us
        {%- endif %}
        {%- for measure in sums %}
        {%- for window in measure.windows %}
        {%- set inside = 'case when smallest_window <= ' ~ window.index ~ ' then ' ~ measure.name %}
        {%- if measure.needs_count %},
        sum({{ inside }}__count end) as {{ measure.name }}__count__{{ window.name }}
        {%- endif %}
        {%- if measure.needs_sum %},
        sum({{ inside }}__sum end) as {{ measure.name }}__sum__{{ window.name }}
        {%- endif %}
        {%- if 'min' in measure.aggregates %},
        min({{ inside }}__min end) as {{ measure.name }}__min__{{ window.name }}
        {%- endif %}
        {%- if 'max' in measure.aggregates %},
        max({{ inside }}__max end) as {{ measure.name }}__max__{{ window.name }}
        {%- endif %}
        {%- if measure.has_stddev %},
        sum({{ inside }}__sum_of_squares end) as {{ measure.name }}__sum_of_squares__{{ window.name }}
        {%- endif %}
        {%- endfor %}
        {%- endfor %}
    from partials
    group by 1, 2
)

select
    as_of_times.{{ entity }},
    as_of_times.feature_timestamp
    {%- for window in windows %},
    cast(coalesce(cumulated.count__{{ window.name }}, 0) as bigint) as {{ source }}_count_{{ window.name }}
    {%- endfor %}
    {%- for measure in measures %}
    {%- for aggregate in measure.aggregates %}
    {%- for window in measure.windows %},
    {{ customer_retention._window_aggregate(source, measure, aggregate, window) }} as {{ source }}_{{ measure.name }}_{{ aggregate }}_{{ window.name }}
    {%- endfor %}
    {%- endfor %}
    {%- endfor %}
    {%- if recency %},
    cast(as_of_times.as_of_us - cumulated.last_event_us as double) / 86400000000 as {{ source }}_days_since_last,
    cast(as_of_times.as_of_us - cumulated.first_event_us as double) / 86400000000 as {{ source }}_days_since_first,
    case
        when cumulated.event_count > 1
            then cast(cumulated.last_event_us - cumulated.first_event_us as double) / 86400000000 / cast(cumulated.event_count - 1 as double)
    end as {{ source }}_mean_gap_days
    {%- endif %}
from as_of_times
left join cumulated
    on
        as_of_times.{{ entity }} = cumulated.{{ entity }}
        and as_of_times.feature_timestamp = cumulated.feature_timestamp
{%- for measure in distincts %}
left join {{ measure.name }}__distinct
    on
        as_of_times.{{ entity }} = {{ measure.name }}__distinct.{{ entity }}
        and as_of_times.feature_timestamp = {{ measure.name }}__distinct.feature_timestamp
{%- endfor %}
{%- endmacro -%}

{#- Private: the value of a measure where its own condition holds. -#}
{%- macro _restricted(measure) -%}
    {%- if measure.where -%}
        case when {{ measure.where }} then {{ measure.expression }} end
    {%- else -%}
        {{ measure.expression }}
    {%- endif -%}
{%- endmacro -%}

{#- Private: one output column, from the cumulated partials. -#}
{%- macro _window_aggregate(source, measure, aggregate, window) -%}
    {%- set unit = (10 ** measure.scale) ~ '.0' if aggregate != 'nunique' else '' -%}
    {%- set column = 'cumulated.' ~ measure.name ~ '__%s__' ~ window.name -%}
    {%- set count, sum, squares = column % 'count', column % 'sum', column % 'sum_of_squares' -%}
    {%- if aggregate == 'sum' -%}
        cast(coalesce({{ sum }}, 0) as double) / {{ unit }}
    {%- elif aggregate == 'mean' -%}
        case when {{ count }} > 0 then cast({{ sum }} as double) / {{ unit }} / cast({{ count }} as double) end
    {%- elif aggregate in ('min', 'max') -%}
        cast({{ column % aggregate }} as double) / {{ unit }}
    {%- elif aggregate == 'stddev' -%}
        {#-
            Squared distances from the mean rounded to a whole number m, which are exact, less what the rounding adds:
            sum (x - m)^2 = sum of squares - m * (sum + rest) with rest = sum - n * m. Nothing cancels, and no
            intermediate is greater than the sum of squares.
        -#}
        {%- set whole_sum = 'cast(' ~ sum ~ ' as decimal(38, 0))' -%}
        {%- set mean = 'cast(round(cast(' ~ sum ~ ' as double) / cast(' ~ count ~ ' as double)) as decimal(19, 0))' -%}
        {%- set rest = '(' ~ whole_sum ~ ' - ' ~ count ~ ' * ' ~ mean ~ ')' -%}
        case
        when {{ count }} > 1
            then sqrt((
                cast(cast({{ squares }} as decimal(38, 0)) - {{ mean }} * cast({{ whole_sum }} + {{ rest }} as decimal(38, 0)) as double)
                - cast({{ rest }} as double) * cast({{ rest }} as double) / cast({{ count }} as double)
            ) / cast({{ count }} - 1 as double)) / {{ unit }}
    end
    {%- else -%}
        cast(coalesce({{ measure.name }}__distinct.{{ source }}_{{ measure.name }}_nunique_{{ window.name }}, 0) as bigint)
    {%- endif -%}
{%- endmacro -%}
