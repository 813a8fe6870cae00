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
{%- set declaration = customer_retention._window_declaration(
    spine, events, source, entity, event_at, available_at, measures, windows, where, recency, rhythm, comparisons,
    incremental, carry_state, superseded_at
) -%}
with
{% if declaration.table_to_add_to %}
{{ customer_retention._rows_to_compute(declaration) }}
{%- if declaration.resumes -%}
{{ customer_retention._state_of_rows(declaration) }}
{%- endif -%}
{%- endif %}
-- the feature times, numbered; an entity goes by the number of its first row
spine_rows as {{ customer_retention.materialized_cte() }} (
    {{ customer_retention._numbered_spine(declaration, customer_retention._rows_of_this_run(declaration)) }}
),

entities as {{ customer_retention.materialized_cte() }} (
    select distinct
        {{ entity }},
        entity_number
        {%- if declaration.resumes %},
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
    {{ customer_retention._timed_events(declaration, customer_retention._events_of_this_run(declaration)) }}
),
{% for measure in declaration.measures if measure.has_codes %}
{{ customer_retention._value_codes(declaration, measure) }}
{%- endfor %}
{{ customer_retention._ordered_events(declaration) }}
{{ customer_retention._pairs(declaration) }}
{{ customer_retention._buckets(declaration) }}
{%- if declaration.resumes and declaration.carries %}

{{ customer_retention._state_totals(declaration) }}
{%- endif %}
{{ customer_retention._side_by_side(declaration) }}
{%- for measure in declaration.measures if measure.has_values %}
{{ customer_retention._value_ctes(declaration, measure) }}
{%- endfor %}
{%- if declaration.rhythm %}
{{ customer_retention._rhythm_ctes(declaration) }}
{%- endif %}
{{- customer_retention._listed_codes(declaration) if declaration.has_state }}
{{ customer_retention._cumulated_partials(declaration) }}
features as (
    select
        cumulated.{{ entity }},
        cumulated.feature_timestamp
        {%- for column in declaration.columns %},
        {{ column.expression }} as {{ column.name }}
        {%- endfor %}
    from cumulated
    {%- for measure in declaration.measures if measure.has_values %}
    left join {{ measure.name }}__by_row on cumulated.row_id = {{ measure.name }}__by_row.row_id
    {%- endfor %}
    {{- customer_retention._rhythm_joins(declaration) }}
    {{- customer_retention._joins_of_state(declaration) if declaration.has_state }}
)

select
    *
    {%- for comparison in declaration.comparisons %},
    {{ comparison.expression }} as {{ comparison.name }}
    {%- endfor %}
from features
{%- endmacro -%}
