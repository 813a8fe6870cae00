{#-
    Private: how the visits of an entity follow one another. All rows of a day (UTC) are one visit, so that the lines of an
    order are no gaps of zero days; gaps are whole numbers of days, from one visit to the next that is visible with it.
-#}

{#- What `rhythm` can ask for, and whether it takes the gaps. -#}
{%- macro _cadence() -%}
    {{ return({
        'last_gap_days': {'of_gaps': true, 'of_recency': false},
        'median_gap_days': {'of_gaps': true, 'of_recency': false},
        'longest_gap_days': {'of_gaps': true, 'of_recency': false},
        'recency_per_mean_gap': {'of_gaps': true, 'of_recency': true},
        'recency_per_longest_gap': {'of_gaps': true, 'of_recency': true},
        'recency_per_tenure': {'of_gaps': false, 'of_recency': true},
        'recency_zscore': {'of_gaps': true, 'of_recency': true},
    }) }}
{%- endmacro -%}

{#- Gaps between events rather than visits, at the times of the events, for `gap_stddev_days`. -#}
{%- macro _event_gaps(declaration) -%}
-- from one event to the next that is visible with it
gaps as (
    select
        row_id,
        count(gap_us) as gap_count,
        sum(gap_us) as gap_sum,
        sum(cast(gap_us as decimal(38, 0)) * gap_us) as gap_squares
    from (
        select
            spine_rows.row_id,
            cast(
                timed_events.event_us - lag(timed_events.event_us) over (partition by spine_rows.row_id order by timed_events.event_us)
                as decimal(18, 0)
            ) as gap_us
        from timed_events
        {{- customer_retention._all_pairs(declaration) | indent(4) }}
    ) as gaps_of_events
    group by row_id
),
{% endmacro -%}

{%- macro _visit_gaps() -%}
visit_gaps as (
    select
        row_id,
        count(gap) as gap_count,
        sum(gap) as gap_sum,
        sum(gap * gap) as gap_squares,
        max(gap) as longest,
        max_by(gap, active_day) as latest,
        percentile_cont(0.5) within group (order by gap) as middle
    from (
        select
            row_id,
            active_day,
            active_day - lag(active_day) over (partition by row_id order by active_day) as gap
        from active_days
    ) as gaps_of_visits
    group by row_id
),
{% endmacro -%}

{#- Expressions of the output columns; null where there is nothing to divide by. -#}
{%- macro _cadence_expressions(ever) -%}
    {%- set recency = customer_retention._days_since('last', ever) -%}
    {%- set mean = 'cast(visit_gaps.gap_sum as double) / cast(nullif(visit_gaps.gap_count, 0) as double)' -%}
    {%- set spread = customer_retention._spread('visit_gaps.gap_count', 'visit_gaps.gap_sum', 'visit_gaps.gap_squares', '1.0', root=true) -%}
    {{ return({
        'last_gap_days': 'cast(visit_gaps.latest as double)',
        'median_gap_days': 'cast(visit_gaps.middle as double)',
        'longest_gap_days': 'cast(visit_gaps.longest as double)',
        'recency_per_mean_gap': recency ~ ' / (' ~ mean ~ ')',
        'recency_per_longest_gap': recency ~ ' / cast(visit_gaps.longest as double)',
        'recency_per_tenure': recency ~ ' / (' ~ customer_retention._days_since('first', ever) ~ ')',
        'recency_zscore': '(' ~ recency ~ ' - ' ~ mean ~ ') / nullif(' ~ spread ~ ', 0)',
    }) }}
{%- endmacro -%}
