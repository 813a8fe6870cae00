{#- Private: recency and rhythm of `window_features`: on which days an entity has events, and how far these are apart. -#}

{%- macro _rhythm_ctes(asked, entity) -%}
{%- set day_us = 86400000000 -%}
{%- if asked.has_days and not asked.has_windows_of_days -%}
-- the days (UTC) with events; the rows of a day become one before they meet the feature times
active_days as (
    select
        spine_rows.row_id,
        spine_rows.as_of_us,
        timed_events.active_day
    from (
        select
            {{ entity }},
            {{ customer_retention.floor_divide('event_us', day_us) }} as active_day,
            min(known_us) as known_us
        from timed_events
        group by 1, 2
    ) as timed_events
    {{- customer_retention._all_pairs(asked, entity) }}
),
{% elif asked.has_days -%}
-- the days (UTC) with events, each in the smallest window that holds one of its events
active_days as (
    select
        spine_rows.row_id,
        spine_rows.as_of_us,
        {{ customer_retention.floor_divide('timed_events.event_us', day_us) }} as active_day,
        min({{ customer_retention._bucket(asked, 'timed_events.event_us', 'spine_rows.as_of_us') }}) as bucket
        {%- if asked.has_state_of_days %},
        max({{ customer_retention._bucket(asked, 'timed_events.event_us', 'spine_rows.as_of_us') }}) as oldest
        {%- endif %}
    {%- if asked.resumes and asked.has_state_of_days %}
    from (
        select
            {{ entity }},
            event_us,
            known_us
        from timed_events
        union all
        {{ customer_retention._days_of_state(asked, entity) }}
    ) as timed_events
    {%- else %}
    from timed_events
    {%- endif %}
    {{- customer_retention._all_pairs(asked, entity) }}
    group by 1, 2, 3
),
{% endif %}
{%- if asked.has_state_of_days %}
{{ customer_retention._older_days(asked) }}
{%- endif %}
{%- if 'active_days' in asked.rhythm %}
active_days__by_row as (
    select
        row_id
        {%- for window in asked.windows %},
        count(case when bucket <= {{ window.index }} then 1 end) as days__{{ window.name }}
        {%- endfor %}
    from active_days
    group by row_id
),
{% endif %}
{%- if asked.has_streaks %}
-- days in a row: a day less its rank stays the same as long as no day is missing
streaks as (
    select
        row_id,
        max(days) as longest,
        max(case when last_day >= as_of_day - 1 then days end) as current_run
    from (
        select
            row_id,
            as_of_day,
            count(*) as days,
            max(active_day) as last_day
        from (
            select
                row_id,
                active_day,
                {{ customer_retention.floor_divide('as_of_us', day_us) }} as as_of_day,
                active_day - row_number() over (partition by row_id order by active_day) as run
            from active_days
        ) as ranked_days
        group by row_id, as_of_day, run
    ) as runs
    group by row_id
),
{% endif %}
{%- if 'gap_stddev_days' in asked.rhythm %}
{{ customer_retention._event_gaps(asked, entity) }}
{%- endif %}
{%- if asked.has_visits %}
{{ customer_retention._visit_gaps() }}
{%- endif %}
{%- endmacro -%}

{#- Days from the first or the last visible event to the feature time. -#}
{%- macro _days_since(which, ever) -%}
    cast(cumulated.as_of_us - cumulated.{{ which }}_event_us__{{ ever }} as double) / 86400000000
{%- endmacro -%}

{#- The output columns of `rhythm`. -#}
{%- macro _rhythm_columns(asked, ever) -%}
    {%- set columns = [] -%}
    {%- set expressions = {
        'gap_stddev_days': customer_retention._spread('gaps.gap_count', 'gaps.gap_sum', 'gaps.gap_squares', '86400000000.0', root=true),
        'longest_streak_days': 'cast(coalesce(streaks.longest, 0) as bigint)',
        'current_streak_days': 'cast(coalesce(streaks.current_run, 0) as bigint)',
    } -%}
    {%- if asked.has_visits or 'recency_per_tenure' in asked.rhythm -%}
        {%- do expressions.update(customer_retention._cadence_expressions(ever)) -%}
    {%- endif -%}
    {%- for feature in asked.rhythm -%}
        {%- if feature == 'active_days' -%}
            {%- for window in asked.windows -%}
                {%- do columns.append({
                    'name': asked.source ~ '_active_days_' ~ window.name,
                    'expression': 'cast(coalesce(active_days__by_row.days__' ~ window.name ~ ', 0) as bigint)',
                }) -%}
            {%- endfor -%}
        {%- else -%}
            {%- do columns.append({'name': asked.source ~ '_' ~ feature, 'expression': expressions[feature]}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(columns) }}
{%- endmacro -%}

{#- The joins that these columns need. -#}
{%- macro _rhythm_joins(asked) -%}
    {%- set tables = {
        'active_days__by_row': 'active_days' in asked.rhythm,
        'streaks': asked.has_streaks,
        'gaps': 'gap_stddev_days' in asked.rhythm,
        'visit_gaps': asked.has_visits,
    } -%}
    {%- for table, is_needed in tables.items() if is_needed %}
    left join {{ table }} on cumulated.row_id = {{ table }}.row_id
    {%- endfor %}
{%- endmacro -%}
