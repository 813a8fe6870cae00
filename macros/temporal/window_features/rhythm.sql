{#- Private: rhythm of `window_features`: on which days an entity has events, and how many follow one another. -#}

{%- macro _check_rhythm(rhythm) -%}
    {%- set known_rhythms = ['active_days', 'gap_stddev_days', 'longest_streak_days', 'current_streak_days'] + customer_retention._cadence() | list -%}
    {%- if rhythm is string -%}
        {{ exceptions.raise_compiler_error("rhythm: give a list, such as ['" ~ rhythm ~ "'].") }}
    {%- endif -%}
    {%- for feature in rhythm if feature not in known_rhythms -%}
        {{ exceptions.raise_compiler_error("rhythm: `" ~ feature ~ "` is not known. Choose from: " ~ known_rhythms | join(', ') ~ ".") }}
    {%- endfor -%}
    {%- if rhythm | unique | list | length != rhythm | length -%}
        {{ exceptions.raise_compiler_error("rhythm: a feature stands twice in [" ~ rhythm | join(', ') ~ "].") }}
    {%- endif -%}
{%- endmacro -%}

{%- macro _rhythm_ctes(declaration) -%}
{%- set day_us = 86400000000 -%}
{%- if declaration.has_days and not declaration.has_windows_of_days -%}
-- the days (UTC) with events; the rows of a day become one before they meet the feature times
active_days as (
    select
        spine_rows.row_id,
        spine_rows.as_of_us,
        timed_events.active_day
    from (
        select
            {{ declaration.entity }},
            {{ customer_retention.floor_divide('event_us', day_us) }} as active_day,
            min(known_us) as known_us
        from timed_events
        group by 1, 2
    ) as timed_events
    {{- customer_retention._all_pairs(declaration) }}
),
{% elif declaration.has_days -%}
-- the days (UTC) with events, each in the smallest window that holds one of its events
active_days as (
    select
        spine_rows.row_id,
        spine_rows.as_of_us,
        {{ customer_retention.floor_divide('timed_events.event_us', day_us) }} as active_day,
        min({{ customer_retention._bucket(declaration, 'timed_events.event_us', 'spine_rows.as_of_us') }}) as bucket
        {%- if declaration.has_state_of_days %},
        max({{ customer_retention._bucket(declaration, 'timed_events.event_us', 'spine_rows.as_of_us') }}) as oldest
        {%- endif %}
    {%- if declaration.resumes and declaration.has_state_of_days %}
    from (
        select
            {{ declaration.entity }},
            event_us,
            known_us
        from timed_events
        union all
        {{ customer_retention._days_of_state(declaration) }}
    ) as timed_events
    {%- else %}
    from timed_events
    {%- endif %}
    {{- customer_retention._all_pairs(declaration) }}
    group by 1, 2, 3
),
{% endif %}
{%- if declaration.has_state_of_days %}
{{ customer_retention._older_days(declaration) }}
{%- endif %}
{%- if 'active_days' in declaration.rhythm %}
active_days__by_row as (
    select
        row_id
        {%- for window in declaration.windows %},
        count(case when bucket <= {{ window.index }} then 1 end) as days__{{ window.name }}
        {%- endfor %}
    from active_days
    group by row_id
),
{% endif %}
{%- if declaration.has_streaks %}
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
{%- if 'gap_stddev_days' in declaration.rhythm %}
{{ customer_retention._event_gaps(declaration) }}
{%- endif %}
{%- if declaration.has_visits %}
{{ customer_retention._visit_gaps() }}
{%- endif %}
{%- endmacro -%}

{#- The output columns of `rhythm`. -#}
{%- macro _rhythm_columns(declaration) -%}
    {%- set columns = [] -%}
    {%- set expressions = {
        'gap_stddev_days': customer_retention._spread('gaps.gap_count', 'gaps.gap_sum', 'gaps.gap_squares', '86400000000.0', root=true),
        'longest_streak_days': 'cast(coalesce(streaks.longest, 0) as bigint)',
        'current_streak_days': 'cast(coalesce(streaks.current_run, 0) as bigint)',
    } -%}
    {%- if declaration.has_visits or 'recency_per_tenure' in declaration.rhythm -%}
        {%- do expressions.update(customer_retention._cadence_expressions(declaration.ever)) -%}
    {%- endif -%}
    {%- for feature in declaration.rhythm -%}
        {%- if feature == 'active_days' -%}
            {%- for window in declaration.windows -%}
                {%- do columns.append({
                    'name': declaration.source ~ '_active_days_' ~ window.name,
                    'expression': 'cast(coalesce(active_days__by_row.days__' ~ window.name ~ ', 0) as bigint)',
                }) -%}
            {%- endfor -%}
        {%- else -%}
            {%- do columns.append({'name': declaration.source ~ '_' ~ feature, 'expression': expressions[feature]}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(columns) }}
{%- endmacro -%}

{#- The joins that these columns need. -#}
{%- macro _rhythm_joins(declaration) -%}
    {%- set tables = {
        'active_days__by_row': 'active_days' in declaration.rhythm,
        'streaks': declaration.has_streaks,
        'gaps': 'gap_stddev_days' in declaration.rhythm,
        'visit_gaps': declaration.has_visits,
    } -%}
    {%- for table, is_needed in tables.items() if is_needed %}
    left join {{ table }} on cumulated.row_id = {{ table }}.row_id
    {%- endfor %}
{%- endmacro -%}
