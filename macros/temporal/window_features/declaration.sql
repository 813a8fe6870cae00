{#-
    Private: the declaration of a call of `window_features`. This macro checks the arguments and builds it; every other
    macro of this folder reads it, and none changes it. Its keys:

    As the call gave them
    - `spine`, `events`, `source`, `entity`, `event_at`, `available_at`, `superseded_at`, `where`, `recency`, `rhythm`

    Windows, from short to long
    - `windows`: each with `index` from 1, `name` and `us`, its microseconds (none for all_time)
    - `bounded`: those with a length; `longest_us`: the length of the longest, none if there is none
    - `has_all_time`: whether all_time is a window; `ever`: the suffix of partial results over everything visible
    - `older_bucket`: the number of the bucket behind all windows with a length

    Measures
    - `measures`: see `_typed_measure`
    - `event_columns`: what `timed_events` computes of an event, each with `name` and `expression`, or, for the fingerprint,
      `hashed`; `pair_columns`: those of them that the pairs of event and feature time take along
    - `partials`: see `_window_partials`
    - `columns`: see `_window_columns`; `comparisons`: see `_checked_comparisons`

    What the query is made of, as booleans
    - `carries`: events older than all windows count, so their totals are carried along the feature times
    - `has_recency`: the first and the last event are looked at; `has_slope`: times in seconds are summed up
    - `has_days`: days with events; `has_windows_of_days`: and in which window each lies; `has_streaks`: days in a row;
      `has_visits`: gaps between them
    - `has_versions`: events can be superseded
    - `has_fingerprint`: rows keep a hash of what they were made from
    - `has_state`: rows keep the state that a later run resumes; `has_state_of_days`: with the days in it

    Daily runs
    - `definition`: a hash of the declaration, which is in fingerprints; `state`: the name of the state's type, which has
      one in it, too
    - `table_to_add_to`: the table that this run adds rows to, none where it makes all rows
    - `resumes`: whether this run goes on from the states in that table
-#}
{%- macro _window_declaration(
    spine, events, source, entity, event_at, available_at, measures, windows, where, recency, rhythm, comparisons,
    incremental, carry_state, superseded_at
) -%}
    {%- set usual = ['24h', '7d', '30d', '90d', '180d', '365d', 'all_time'] -%}
    {%- set windows = customer_retention._sorted_windows(windows or var('windows', usual)) -%}
    {%- if incremental not in [none, 'new_rows', 'changed_rows'] -%}
        {{ exceptions.raise_compiler_error("incremental: choose 'new_rows' or 'changed_rows', not `" ~ incremental ~ "`.") }}
    {%- endif -%}
    {%- if carry_state not in [true, false] -%}
        {{ exceptions.raise_compiler_error("carry_state: say true or false, not `" ~ carry_state ~ "`.") }}
    {%- endif -%}
    {%- set has_versions = superseded_at is not none -%}
    {%- set has_fingerprint = incremental == 'changed_rows' -%}
    {%- set defined_by = [event_at, available_at, where, measures, windows, recency, rhythm, comparisons] -%}
    {%- if config is defined and config.get('materialized') == 'daily_table' -%}
        {#- What the model makes of the windows, too: a row that is kept must be what it would be today. -#}
        {%- do defined_by.append(customer_retention._definition_of_model()) -%}
    {%- endif -%}
    {%- set measures = customer_retention._checked_measures(source, measures, windows, carry_state) -%}
    {%- do customer_retention._check_rhythm(rhythm) -%}
    {%- set bounded = windows | rejectattr('us', 'none') | list -%}
    {%- set has_all_time = windows | length > bounded | length -%}
    {%- set cadence = customer_retention._cadence().items() -%}
    {%- set has_recency = recency or cadence | selectattr('1.of_recency') | map('first') | select('in', rhythm) | list | length > 0 -%}
    {%- set has_visits = cadence | selectattr('1.of_gaps') | map('first') | select('in', rhythm) | list | length > 0 -%}
    {%- set has_streaks = 'longest_streak_days' in rhythm or 'current_streak_days' in rhythm -%}
    {%- set event_columns = customer_retention._event_columns(measures, has_fingerprint) -%}
    {%- set parts = {
        'spine': spine,
        'events': events,
        'source': source,
        'entity': entity,
        'event_at': event_at,
        'available_at': available_at,
        'superseded_at': superseded_at,
        'where': where,
        'recency': recency,
        'rhythm': rhythm,
        'windows': windows,
        'bounded': bounded,
        'longest_us': bounded[-1].us if bounded else none,
        'has_all_time': has_all_time,
        'ever': 'all_time' if has_all_time else 'ever',
        'older_bucket': bounded | length + 1,
        'measures': measures,
        'event_columns': event_columns,
        'pair_columns': event_columns | selectattr('in_pairs') | list,
        'carries': has_all_time or has_recency or has_fingerprint,
        'has_recency': has_recency,
        'has_slope': measures | selectattr('has_slope') | list | length > 0,
        'has_days': 'active_days' in rhythm or has_streaks or has_visits,
        'has_streaks': has_streaks,
        'has_visits': has_visits,
        'has_versions': has_versions,
        'has_fingerprint': has_fingerprint,
        'has_state': carry_state,
        'definition': local_md5(tojson(defined_by + ([superseded_at] if has_versions else [])))[:8],
    } -%}
    {%- set parts = dict(parts, partials=customer_retention._window_partials(parts)) -%}
    {%- set parts = dict(parts, **customer_retention._declared_state(parts, incremental)) -%}
    {%- set parts = dict(parts, columns=customer_retention._window_columns(parts)) -%}
    {%- set parts = dict(parts, comparisons=customer_retention._checked_comparisons(parts, comparisons)) -%}
    {%- set names = [] -%}
    {%- for column in parts.columns + parts.comparisons -%}
        {%- if column.name in names -%}
            {{ exceptions.raise_compiler_error("measures: the column `" ~ column.name ~ "` would be made twice.") }}
        {%- endif -%}
        {%- do names.append(column.name) -%}
    {%- endfor -%}
    {%- set table = customer_retention._table_to_add_to(parts, incremental) -%}
    {{ return(dict(parts, table_to_add_to=table, resumes=carry_state and table is not none)) }}
{%- endmacro -%}
