{#- Private: values and days in a state of `window_features`. -#}

{#- The values that have bits, in one row. -#}
{%- macro _listed_codes(declaration) -%}
{%- for measure in declaration.measures if measure.has_state and measure.has_codes %}
{{ measure.name }}__listed_codes as (
    select
        {{ customer_retention.sorted_list(customer_retention.struct_of({'seen': 'seen', 'bit': 'bit'})) }} as codes
    from {{ measure.name }}__codes
),
{% endfor %}
{%- endmacro -%}

{#- What the output column is made from, beside what features are. -#}
{%- macro _joins_of_state(declaration) -%}
    {%- for measure in declaration.measures if measure.has_state and measure.has_codes %}
    cross join {{ measure.name }}__listed_codes
    {%- endfor %}
    {%- if declaration.has_state_of_days %}
    left join older_days on cumulated.row_id = older_days.row_id
    {%- endif %}
{%- endmacro -%}

{#- What of a value at a row belongs to the state. -#}
{%- macro _older_of_value(declaration, measure) -%}
    {%- if not measure.has_frequencies -%}
        max({{ customer_retention._bucket(declaration, 'timed_events.event_us', 'spine_rows.as_of_us') }}) as oldest
    {%- else -%}
        {%- set occurrences = 'timed_events.occurrences' if declaration.resumes else '1' -%}
        {%- if declaration.longest_us is none -%}
            cast(sum({{ occurrences }}) as bigint) as occurrences__older
        {%- else -%}
            cast(sum(case when timed_events.event_us < spine_rows.as_of_us - {{ declaration.longest_us }} then {{ occurrences }} else 0 end) as bigint) as occurrences__older
        {%- endif -%}
    {%- endif -%}
{%- endmacro -%}

{%- macro _older_values(declaration, measure) -%}
    {%- if measure.has_frequencies -%}
        {{ customer_retention.sorted_list(customer_retention.struct_of({'seen': 'seen', 'occurrences': 'occurrences__older'}), 'occurrences__older > 0') }}
    {%- else -%}
        {{ customer_retention.sorted_list('seen', 'oldest = ' ~ declaration.older_bucket) }}
    {%- endif -%}
{%- endmacro -%}

{#- The values of a state as if they were events: known since then, and too old for any window of a later row. -#}
{%- macro _events_of_state(declaration, measure) -%}
select
            {{ declaration.entity }},
            since_us - {{ (declaration.longest_us or 0) + 1 }} as event_us,
            since_us as known_us,
            seen
            {%- if measure.has_frequencies %},
            occurrences
            {%- endif %}
        from {{ measure.name }}__of_state
{%- endmacro -%}

{#- The days of a state in the same way. -#}
{%- macro _days_of_state(declaration) -%}
select
            {{ declaration.entity }},
            active_day * 86400000000 as event_us,
            since_us as known_us
        from (
            select
                {{ declaration.entity }},
                since_us,
                {{ customer_retention.explode_list('days') }} as active_day
            from carried_states
        ) as listed_days
{%- endmacro -%}

{%- macro _older_days(declaration) -%}
older_days as (
    select
        row_id,
        {{ customer_retention.sorted_list('active_day', 'oldest = ' ~ declaration.older_bucket) }} as days
    from active_days
    group by row_id
),
{% endmacro -%}
