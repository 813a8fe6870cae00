{#- The values of a measure told apart one by one: those that have no bit, or, where frequencies matter, all. -#}
{%- macro _value_ctes(declaration, measure) -%}
{%- set name = measure.name -%}
{%- if measure.has_codes %}
-- events with a value of {{ name }} that has no bit; by themselves, so that where all have bits the events are not read again
{{ name }}__uncoded_events as {{ customer_retention.materialized_cte() }} (
    select timed_events.*
    from (
        {{ customer_retention._events_with_values(declaration, measure) }}
    ) as timed_events
    inner join {{ name }}__values
        on
            timed_events.seen = {{ name }}__values.seen
            and {{ name }}__values.code >= 63
),

{% endif -%}
-- {{ name }}: {{ 'how often each value occurs in each window' if measure.has_frequencies else 'values without a bit of their own, in the smallest window in which they occur' }}
{{ name }}__by_value as (
    select
        spine_rows.row_id,
        timed_events.seen,
        {%- if measure.has_frequencies %}
        {%- for window in measure.windows %}
        {% if window.us is none -%}
        {{ 'cast(sum(timed_events.occurrences) as bigint)' if declaration.resumes and measure.has_state else 'count(*)' }}
        {%- else -%}
        count(case when timed_events.event_us >= spine_rows.as_of_us - {{ window.us }} then 1 end)
        {%- endif %} as occurrences__{{ window.name }}{{ ',' if not loop.last }}
        {%- endfor %}
        {%- else %}
        min({{ customer_retention._bucket(declaration, 'timed_events.event_us', 'spine_rows.as_of_us') }}) as bucket
        {%- endif %}
        {%- if measure.has_state %},
        {{ customer_retention._older_of_value(declaration, measure) }}
        {%- endif %}
    {%- if measure.has_codes %}
    from {{ name }}__uncoded_events as timed_events
    {%- else %}
    from (
        {{ customer_retention._events_with_values(declaration, measure) }}
    ) as timed_events
    {%- endif %}
    {{- customer_retention._all_pairs(declaration) }}
    where timed_events.seen is not null
    group by 1, 2
),

{{ name }}__by_row as (
    select
        row_id
        {%- for window in measure.windows %}
        {%- if measure.has_frequencies %}
        {%- set occurrences = 'occurrences__' ~ window.name %},
        count(case when {{ occurrences }} > 0 then 1 end) as nunique__{{ window.name }}
        {%- if 'mode' in measure.aggregates %},
        -- the least of (-occurrences, text) is the commonest value, and among equals the smallest text
        min(case when {{ occurrences }} > 0 then {{ customer_retention.struct_of({'rank': '-' ~ occurrences, 'seen': 'seen'}) }} end) as mode__{{ window.name }}
        {%- endif %}
        {%- if 'entropy' in measure.aggregates %},
        sum({{ occurrences }}) as total__{{ window.name }},
        max({{ occurrences }}) as most__{{ window.name }},
        -- as a decimal, so that the sum does not depend on the order of rows
        sum(cast(case when {{ occurrences }} > 0 then {{ occurrences }} * ln({{ occurrences }}) end as decimal(38, 12))) as logs__{{ window.name }}
        {%- endif %}
        {%- else %},
        count(case when bucket <= {{ window.index }} then 1 end) as nunique__{{ window.name }}
        {%- endif %}
        {%- endfor %}
        {%- if measure.has_state %},
        {{ customer_retention._older_values(declaration, measure) }} as older_values
        {%- endif %}
    from {{ name }}__by_value
    group by row_id
),
{% endmacro -%}

{#- Events with a value, and those of a state as if they were some. -#}
{%- macro _events_with_values(declaration, measure) -%}
{%- set resumes = declaration.resumes and measure.has_state -%}
        select
            {{ declaration.entity }},
            event_us,
            known_us,
            {%- if declaration.has_versions %}
            superseded_us,
            {%- endif %}
            {{ measure.name }}__value as seen
            {%- if resumes and measure.has_frequencies %},
            1 as occurrences
            {%- endif %}
        from timed_events
        {%- if resumes %}
        union all
        {{ customer_retention._events_of_state(declaration, measure) }}
        {%- endif %}
{%- endmacro -%}
