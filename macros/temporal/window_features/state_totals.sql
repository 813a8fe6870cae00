{#- Private: states of the rows of an earlier run as columns and rows like those that this run makes. -#}

{#- For the rows that a run has to make: the state of their entity, if there is one, and since when. -#}
{%- macro _state_of_rows(declaration) -%}
{%- set carried = 'made.' ~ declaration.source ~ '_carried.' ~ declaration.state ~ '.' %}

-- each entity's newest row before the first that is missing
newest_rows as (
    select
        missing.{{ declaration.entity }},
        max(made.feature_timestamp) as feature_timestamp
    from (
        select
            {{ declaration.entity }},
            min(feature_timestamp) as first_timestamp
        from rows_to_compute
        group by {{ declaration.entity }}
    ) as missing
    inner join {{ declaration.table_to_add_to }} as made
        on
            missing.{{ declaration.entity }} = made.{{ declaration.entity }}
            and missing.first_timestamp > made.feature_timestamp
    group by missing.{{ declaration.entity }}
),

-- what had become too old by then
carried_states as {{ customer_retention.materialized_cte() }} (
    select
        made.{{ declaration.entity }},
        {{ customer_retention.epoch_us('made.feature_timestamp') }} as since_us
        {%- for field in customer_retention._state_fields(declaration) %},
        {{ carried ~ field }} as {{ field }}
        {%- endfor %}
    from {{ declaration.table_to_add_to }} as made
    inner join newest_rows
        on
            made.{{ declaration.entity }} = newest_rows.{{ declaration.entity }}
            and made.feature_timestamp = newest_rows.feature_timestamp
),

-- an entity without a state starts with its first event
rows_with_state as {{ customer_retention.materialized_cte() }} (
    select
        rows_to_compute.{{ declaration.entity }},
        rows_to_compute.feature_timestamp,
        coalesce(carried_states.since_us, -9223372036854775807) as since_us
    from rows_to_compute
    left join carried_states on rows_to_compute.{{ declaration.entity }} = carried_states.{{ declaration.entity }}
),
{% for measure in declaration.measures if measure.has_state %}
{{ measure.name }}__of_state as {{ customer_retention.materialized_cte() }} (
    select
        {{ declaration.entity }},
        since_us,
        {%- if measure.has_frequencies %}
        value.seen,
        value.occurrences
    from (
        select
            {{ declaration.entity }},
            since_us,
            {{ customer_retention.explode_list(measure.name ~ '__values') }} as value
        from carried_states
    ) as listed
        {%- else %}
        {{ customer_retention.explode_list(measure.name ~ '__values') }} as seen
    from carried_states
        {%- endif %}
),
{% endfor %}
{%- endmacro -%}

{#- The states as columns like those of the buckets. -#}
{%- macro _state_totals(declaration) -%}
{%- set coded = declaration.measures | selectattr('has_codes') | selectattr('has_state') | list -%}
state_totals as (
    select
        carried_states.{{ declaration.entity }}
        {%- for partial in declaration.partials if partial.carried %},
        {{ partial.name ~ '.bits' if partial.combine == 'or' else 'carried_states.' ~ partial.name }} as {{ partial.name }}
        {%- endfor %}
    from carried_states
    {%- for measure in coded %}
    left join (
        select
            {{ measure.name }}__of_state.{{ declaration.entity }},
            bit_or({{ measure.name }}__codes.bit) as bits
        from {{ measure.name }}__of_state
        inner join {{ measure.name }}__codes on {{ measure.name }}__of_state.seen = {{ measure.name }}__codes.seen
        group by {{ measure.name }}__of_state.{{ declaration.entity }}
    ) as {{ measure.name }}__bits on carried_states.{{ declaration.entity }} = {{ measure.name }}__bits.{{ declaration.entity }}
    {%- endfor %}
),
{% endmacro -%}

{#- A partial result of all events that have become too old by a row: those that are carried, and those that pass by. -#}
{%- macro _older_total(declaration, partial, column, passing) -%}
    {%- set total = partial.merge ~ '(' ~ column ~ ') over earlier' -%}
    {%- set before = 'state_totals.' ~ partial.name if declaration.resumes else passing -%}
    {%- if not declaration.resumes and not declaration.has_versions -%}
        {{ total }}
    {%- elif partial.combine in ['add', 'or'] -%}
        coalesce({{ before }}{{ ' + ' if partial.combine == 'add' else ' | ' }}{{ total }}, {{ before }}, {{ total }})
    {%- elif partial.combine in ['least', 'greatest'] -%}
        {{ partial.combine }}({{ before }}, {{ total }})
    {%- else -%}
        case when {{ before }} is null or {{ total }} {{ '<' if partial.combine == 'first' else '>' }} {{ before }} then {{ total }} else {{ before }} end
    {%- endif -%}
{%- endmacro -%}
