{#- Private: events at the feature times that see them, each in a bucket, which is the smallest window that holds it. -#}
{%- macro _pairs(declaration) -%}
{%- if declaration.carries -%}
-- every event at every feature time that sees it, in the smallest window that holds it. An event older than all windows
-- comes once, at the first feature time that finds it so; from there it is carried along in the totals.
{%- else -%}
-- every event at every feature time that has it in a window, in the smallest window that holds it
{%- endif %}
pairs as (
    select
        spine_rows.row_id,
        {{ customer_retention._bucket_of_pair(declaration) }} as bucket,
        ordered_events.*
    from ordered_events
    inner join spine_rows
        on
            ordered_events.entity_number = spine_rows.entity_number
            and ordered_events.known_us < spine_rows.as_of_us
            {{- customer_retention._not_superseded(declaration, 'ordered_events') }}
            {%- if declaration.carries %}
            and ordered_events.matters_until_us >= spine_rows.previous_us
            {%- else %}
            and ordered_events.event_us >= spine_rows.as_of_us - {{ declaration.longest_us }}
            {%- endif %}
),
{% endmacro -%}

{#- The joins from events to every feature time that sees them, none left to the carried totals. -#}
{%- macro _all_pairs(declaration) %}
    inner join entities on {{ customer_retention._same_entity(declaration) }}
    inner join spine_rows
        on
            entities.entity_number = spine_rows.entity_number
            and timed_events.known_us < spine_rows.as_of_us
            {{- customer_retention._not_superseded(declaration, 'timed_events') }}
{%- endmacro -%}

{#- The condition that joins an event to its entity, if it is not in the entity's state. -#}
{%- macro _same_entity(declaration) -%}
    timed_events.{{ declaration.entity }} = entities.{{ declaration.entity }}
    {%- if declaration.resumes %}
        and {{ customer_retention._matters_until(declaration) }} >= entities.since_us
    {%- endif -%}
{%- endmacro -%}

{#- From when on an event matters to no row but by the bucket `older`. -#}
{%- macro _matters_until(declaration) -%}
    {%- if declaration.longest_us is none -%}
        timed_events.known_us
    {%- else -%}
        greatest(timed_events.known_us, timed_events.event_us + {{ declaration.longest_us }})
    {%- endif -%}
{%- endmacro -%}

{#-
    The index of the smallest window that holds an event: one more than the windows that are too small for it. A sum of
    comparisons rather than a CASE, which DuckDB would work through branch by branch.
-#}
{%- macro _bucket(declaration, event_us, as_of_us) -%}
    {%- set names = declaration.windows | map(attribute='name') | list + ['older'] -%}
    (
            1 -- {{ names[0] }}
    {%- for window in declaration.bounded %}
            + cast({{ event_us }} < {{ as_of_us }} - {{ window.us }} as tinyint) -- {{ names[window.index] }}
    {%- endfor %}
        )
{%- endmacro -%}
