{%- macro window_features(
    spine, events, source, entity, event_at, available_at=none, measures=[], windows=none, where=none, recency=true,
    rhythm=[], comparisons=[], incremental=none, carry_state=false, superseded_at=none
) -%}
    {{ return(adapter.dispatch('window_features', 'customer_retention')(
        spine, events, source, entity, event_at, available_at, measures, windows, where, recency, rhythm, comparisons,
        incremental, carry_state, superseded_at
    )) }}
{%- endmacro -%}

{%- macro default__window_features(
    spine, events, source, entity, event_at, available_at, measures, windows, where, recency, rhythm, comparisons,
    incremental, carry_state, superseded_at
) -%}
{%- set asked = customer_retention._window_declaration(
    source, measures, windows, recency, rhythm, comparisons, incremental, carry_state,
    definition=[event_at, available_at, where], superseded_at=superseded_at
) -%}
{%- set made = customer_retention._table_to_add_to(asked, incremental) -%}
with
{% if made %}
{{ customer_retention._rows_to_compute(asked, spine, entity, customer_retention._timed_events(
    events, entity, event_at, available_at, superseded_at, where, asked.event_columns
), made) }}
{%- set spine = 'rows_to_compute' -%}
{%- if asked.has_state -%}
{{ customer_retention._state_of_rows(asked, entity, made) }}
{%- set spine = 'rows_with_state' -%}
{%- set where = customer_retention._where_it_matters(asked, event_at, available_at, where) -%}
{%- do asked.update({'resumes': true}) -%}
{%- endif -%}
{%- endif %}
-- the feature times, numbered; an entity goes by the number of its first row
spine_rows as {{ customer_retention.materialized_cte() }} (
    {{ customer_retention._numbered_spine(spine, entity, resumes=asked.resumes) }}
),

entities as {{ customer_retention.materialized_cte() }} (
    select distinct
        {{ entity }},
        entity_number
        {%- if asked.resumes %},
        since_us
        {%- endif %}
    from spine_rows
),

-- one row an event; integer microseconds are exact on every engine, whatever a time zone or a clock change does
{%- set in_chunks = customer_retention.chunk_condition(entity) is not none %}
{%- if in_chunks %}.
-- Read once, since it takes all events to find those of a chunk.
{%- endif %}
timed_events as {{ customer_retention.materialized_cte(once=in_chunks) }} (
    {{ customer_retention._timed_events(events, entity, event_at, available_at, superseded_at, where, asked.event_columns) }}
),
{% for measure in asked.measures if measure.has_codes %}
-- the values of {{ measure.name }}, the commonest first
{{ measure.name }}__values as {{ customer_retention.materialized_cte() }} (
    select
        seen,
        row_number() over (order by count(*) desc, seen) - 1 as code
    from (
        select {{ measure.name }}__value as seen
        from timed_events
        {%- if asked.resumes and measure.has_state %}
        union all
        select seen from {{ measure.name }}__of_state
        {%- endif %}
    ) as all_values
    where seen is not null
    group by seen
),

-- 63 of them become bits of an integer, the others are told apart one by one; the limit tells the planner how few there are
{{ measure.name }}__codes as {{ customer_retention.materialized_cte() }} (
    select
        seen,
        {{ customer_retention.shift_left_one('code') }} as bit
    from {{ measure.name }}__values
    where code < 63
    limit 63
),
{% endfor %}
-- events of the spine's entities; neighbours in the order share their entity's totals, which so stay in the cache
ordered_events as (
    select
        entities.entity_number,
        timed_events.event_us,
        timed_events.known_us
        {%- if asked.has_versions %},
        timed_events.superseded_us
        {%- endif %}
        {%- if asked.carries %},
        {{ customer_retention._carried_from(asked) }} as matters_until_us
        {%- endif %}
        {%- if asked.has_slope %},
        cast(floor(timed_events.event_us / 1000000) as decimal(18, 0)) as event_s
        {%- endif %}
        {%- for column in asked.pair_columns %},
        timed_events.{{ column.name }}
        {%- endfor %}
        {%- for measure in asked.measures %}
        {%- for column in customer_retention._added_columns(measure) %},
        {{ column.expression }} as {{ measure.name }}__{{ column.name }}
        {%- endfor %}
        {%- endfor %}
        {%- for measure in asked.measures if measure.has_codes %},
        {{ measure.name }}__codes.bit as {{ measure.name }}__bit
        {%- endfor %}
    from timed_events
    inner join entities on {{ customer_retention._same_entity(asked, entity) }}
    {%- for measure in asked.measures if measure.has_codes %}
    left join {{ measure.name }}__codes on timed_events.{{ measure.name }}__value = {{ measure.name }}__codes.seen
    {%- endfor %}
    {{ customer_retention.cluster_by('entities.entity_number') }}
),

{%- if asked.carries %}

-- every event at every feature time that sees it, in the smallest window that holds it. An event older than all windows
-- comes once, at the first feature time that finds it so; from there it is carried along in the totals.
{%- else %}

-- every event at every feature time that has it in a window, in the smallest window that holds it
{%- endif %}
pairs as (
    select
        spine_rows.row_id,
        {{ customer_retention._bucket_of_pair(asked) }} as bucket,
        ordered_events.*
    from ordered_events
    inner join spine_rows
        on
            ordered_events.entity_number = spine_rows.entity_number
            and ordered_events.known_us < spine_rows.as_of_us
            {{- customer_retention._not_superseded(asked, 'ordered_events') }}
            {%- if asked.carries %}
            and ordered_events.matters_until_us >= spine_rows.previous_us
            {%- else %}
            and ordered_events.event_us >= spine_rows.as_of_us - {{ asked.longest_us }}
            {%- endif %}
),

-- partial results that can be added up
buckets as {{ customer_retention.materialized_cte() }} (
    select
        row_id,
        -- as an aggregate: DuckDB would test a condition on the key of the group for every pair
        max(bucket) as bucket
        {%- for partial in asked.partials %},
        {{ partial.aggregate }} as {{ partial.name }}
        {%- endfor %}
    from pairs
    group by row_id, pairs.bucket
),
{%- if asked.resumes and asked.carries %}

{{ customer_retention._state_totals(asked, entity) }}
{%- endif %}
{{ customer_retention._side_by_side(asked, entity) }}
{%- for measure in asked.measures if measure.has_values %}
{{ customer_retention._value_ctes(asked, measure, entity) }}
{%- endfor %}
{%- if asked.rhythm %}
{{ customer_retention._rhythm_ctes(asked, entity) }}
{%- endif %}
{{- customer_retention._listed_codes(asked) if asked.has_state }}
-- windows are nested: each adds what lies between it and the next smaller one
cumulated as (
    select
        spine_rows.{{ entity }},
        spine_rows.feature_timestamp,
        spine_rows.row_id,
        spine_rows.as_of_us
        {%- for partial in asked.partials %}
        {%- for window in partial.windows %},
        {{ customer_retention._cumulated(asked, partial, loop.index, loop.previtem) }} as {{ partial.name }}__{{ window }}
        {%- endfor %}
        {%- if asked.has_state and partial.carried %},
        spine_rows.{{ partial.name }}__older
        {%- endif %}
        {%- endfor %}
    from {{ customer_retention._rows_with_buckets(asked) }}
),

features as (
    select
        cumulated.{{ entity }},
        cumulated.feature_timestamp
        {%- for column in asked.columns %},
        {{ column.expression }} as {{ column.name }}
        {%- endfor %}
    from cumulated
    {%- for measure in asked.measures if measure.has_values %}
    left join {{ measure.name }}__by_row on cumulated.row_id = {{ measure.name }}__by_row.row_id
    {%- endfor %}
    {{- customer_retention._rhythm_joins(asked) }}
    {{- customer_retention._joins_of_state(asked) if asked.has_state }}
)

select
    *
    {%- for comparison in asked.comparisons %},
    {{ comparison.expression }} as {{ comparison.name }}
    {%- endfor %}
from features
{%- endmacro -%}
