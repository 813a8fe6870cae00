{#-
    Private: the state that `window_features` carries from one daily run to the next.

    The state of a row is what lies in the bucket `older` at its feature time T: of all events known before T, those that
    left the longest window before T. It depends on the entity, on T and on what was known before T alone, so it is the
    same whoever makes it, and a later run needs no event that did not matter at T or later.
-#}

{#- What a declaration carries, or why it cannot. -#}
{%- macro _declared_state(asked, incremental) -%}
    {%- if incremental == 'changed_rows' -%}
        {{ exceptions.raise_compiler_error(
            "carry_state: with incremental='changed_rows' corrections change the past, and a state made of the past with it. Use 'new_rows', or leave carry_state out."
        ) }}
    {%- elif incremental != 'new_rows' -%}
        {{ exceptions.raise_compiler_error("carry_state: state is carried from run to run, so it needs incremental='new_rows'.") }}
    {%- elif asked.has_versions -%}
        {{ exceptions.raise_compiler_error(
            "carry_state: with superseded_at a state could hold versions that are superseded later, and cannot give them up. Leave carry_state or superseded_at out."
        ) }}
    {%- elif 'gap_stddev_days' in asked.rhythm -%}
        {{ exceptions.raise_compiler_error(
            "carry_state: `gap_stddev_days` cannot be carried, since an event that arrives late splits a gap of long ago. Take it out of rhythm (mean_gap_days of recency can be carried), or leave carry_state out."
        ) }}
    {%- endif -%}
    {%- set has_days = asked.has_streaks or asked.has_visits or ('active_days' in asked.rhythm and asked.has_all_time) -%}
    {%- for measure in asked.measures -%}
        {%- do measure.update({'has_state': measure.has_values and 'all_time' in measure.windows | map(attribute='name')}) -%}
    {%- endfor -%}
    {%- set parts = [] -%}
    {%- for partial in asked.partials if partial.carried -%}
        {%- do parts.append([partial.name, partial.aggregate]) -%}
    {%- endfor -%}
    {%- for measure in asked.measures if measure.has_state -%}
        {%- do parts.append([measure.name ~ '__values', 'with occurrences' if measure.has_frequencies else 'alone']) -%}
    {%- endfor -%}
    {%- if has_days -%}
        {%- do parts.append(['days', 'UTC']) -%}
    {%- endif -%}
    {%- if not parts -%}
        {{ exceptions.raise_compiler_error(
            "carry_state: nothing that is asked for looks back beyond the longest window, " ~ asked.bounded[-1].name ~ ", so there is nothing to carry. Leave carry_state out."
        ) }}
    {%- endif -%}
    {{ return({
        'has_state': true,
        'has_state_of_days': has_days,
        'has_windows_of_days': asked.has_windows_of_days or has_days,
        'state': 'of_' ~ local_md5(tojson([asked.definition, parts]))[:8],
    }) }}
{%- endmacro -%}

{#- The table that a daily run adds rows to; none where all rows are made. -#}
{%- macro _table_to_add_to(asked, incremental) -%}
    {{ return(adapter.dispatch('_table_to_add_to', 'customer_retention')(asked, incremental)) }}
{%- endmacro -%}

{%- macro default___table_to_add_to(asked, incremental) -%}
    {#- Asked in this order, since dbt looks for the table to answer the last. -#}
    {%- if incremental and this is defined and config.get('materialized') == 'incremental' and is_incremental() -%}
        {%- if asked.has_state -%}
            {%- do customer_retention._check_state_of_table(asked) -%}
        {%- endif -%}
        {{ return(this) }}
    {%- endif -%}
    {{ return(none) }}
{%- endmacro -%}

{#- The declaration is in the type of the column, so that a state made by another one can never be read. -#}
{%- macro _check_state_of_table(asked) -%}
    {%- set column = asked.source ~ '_carried' -%}
    {%- set found = namespace(state=false) -%}
    {%- for existing in adapter.get_columns_in_relation(this) if existing.name | lower == column and asked.state in existing.dtype | lower -%}
        {%- set found.state = true -%}
    {%- endfor -%}
    {%- if not found.state -%}
        {{ exceptions.raise_compiler_error(
            "carry_state: " ~ this ~ " has no `" ~ column ~ "` of this declaration: its rows were made by another one, or without state. Make them anew: dbt build --full-refresh --select "
            ~ model.name
        ) }}
    {%- endif -%}
{%- endmacro -%}

{#- From when on an event matters to no row but by the bucket `older`. -#}
{%- macro _matters_until(asked) -%}
    {%- if asked.longest_us is none -%}
        timed_events.known_us
    {%- else -%}
        greatest(timed_events.known_us, timed_events.event_us + {{ asked.longest_us }})
    {%- endif -%}
{%- endmacro -%}

{#- The condition that joins an event to its entity, if it is not in the entity's state. -#}
{%- macro _same_entity(asked, entity) -%}
    timed_events.{{ entity }} = entities.{{ entity }}
    {%- if asked.resumes %}
        and {{ customer_retention._matters_until(asked) }} >= entities.since_us
    {%- endif -%}
{%- endmacro -%}

{#- The condition on events, without those that are in everybody's state. -#}
{%- macro _where_it_matters(asked, event_at, available_at, where) -%}
    {%- set least = '(select min(since_us) from rows_with_state)' -%}
    {%- set happened = customer_retention.epoch_us(event_at) ~ (' + ' ~ asked.longest_us if asked.longest_us is not none else '') -%}
    {%- set matters = [happened ~ ' >= ' ~ least] -%}
    {%- if available_at is not none -%}
        {%- do matters.append(customer_retention.epoch_us(available_at) ~ ' >= ' ~ least) -%}
    {%- endif -%}
    {%- set matters = matters | join(' or ') -%}
    {{ return('(' ~ where ~ ') and (' ~ matters ~ ')' if where else matters) }}
{%- endmacro -%}

{#- For the rows that a run has to make: the state of their entity, if there is one, and since when. -#}
{%- macro _state_of_rows(asked, entity, made) -%}
{%- set carried = 'made.' ~ asked.source ~ '_carried.' ~ asked.state ~ '.' %}

-- each entity's newest row before the first that is missing
newest_rows as (
    select
        missing.{{ entity }},
        max(made.feature_timestamp) as feature_timestamp
    from (
        select
            {{ entity }},
            min(feature_timestamp) as first_timestamp
        from rows_to_compute
        group by {{ entity }}
    ) as missing
    inner join {{ made }} as made
        on
            missing.{{ entity }} = made.{{ entity }}
            and missing.first_timestamp > made.feature_timestamp
    group by missing.{{ entity }}
),

-- what had become too old by then
carried_states as {{ customer_retention.materialized_cte() }} (
    select
        made.{{ entity }},
        {{ customer_retention.epoch_us('made.feature_timestamp') }} as since_us
        {%- for field in customer_retention._state_fields(asked) %},
        {{ carried ~ field }} as {{ field }}
        {%- endfor %}
    from {{ made }} as made
    inner join newest_rows
        on
            made.{{ entity }} = newest_rows.{{ entity }}
            and made.feature_timestamp = newest_rows.feature_timestamp
),

-- an entity without a state starts with its first event
rows_with_state as {{ customer_retention.materialized_cte() }} (
    select
        rows_to_compute.{{ entity }},
        rows_to_compute.feature_timestamp,
        coalesce(carried_states.since_us, -9223372036854775807) as since_us
    from rows_to_compute
    left join carried_states on rows_to_compute.{{ entity }} = carried_states.{{ entity }}
),
{% for measure in asked.measures if measure.has_state %}
{{ measure.name }}__of_state as {{ customer_retention.materialized_cte() }} (
    select
        {{ entity }},
        since_us,
        {%- if measure.has_frequencies %}
        value.seen,
        value.occurrences
    from (
        select
            {{ entity }},
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

{#- Names of what a state is made of. -#}
{%- macro _state_fields(asked) -%}
    {%- set fields = [] -%}
    {%- for partial in asked.partials if partial.carried and partial.combine != 'or' -%}
        {%- do fields.append(partial.name) -%}
    {%- endfor -%}
    {%- for measure in asked.measures if measure.has_state -%}
        {%- do fields.append(measure.name ~ '__values') -%}
    {%- endfor -%}
    {{ return(fields + (['days'] if asked.has_state_of_days else [])) }}
{%- endmacro -%}

{#-
    The output column. Bits mean something in one run alone, since codes go by what is common at the time; so values are
    carried themselves.
-#}
{%- macro _state_column(asked) -%}
    {%- set fields = {} -%}
    {%- for field in customer_retention._state_fields(asked) -%}
        {%- do fields.update({field: 'cumulated.' ~ field ~ '__older'}) -%}
    {%- endfor -%}
    {%- for measure in asked.measures if measure.has_state -%}
        {%- set values = measure.name ~ '__by_row.older_values' -%}
        {%- if measure.has_codes -%}
            {%- set values = customer_retention.coded_values(
                'cumulated.' ~ measure.name ~ '__bits__older', measure.name ~ '__listed_codes.codes', values
            ) -%}
        {%- endif -%}
        {%- do fields.update({measure.name ~ '__values': values}) -%}
    {%- endfor -%}
    {%- if asked.has_state_of_days -%}
        {%- do fields.update({'days': 'older_days.days'}) -%}
    {%- endif -%}
    {{ return(customer_retention.struct_of({asked.state: customer_retention.struct_of(fields)})) }}
{%- endmacro -%}

{#- The values that have bits, in one row. -#}
{%- macro _listed_codes(asked) -%}
{%- for measure in asked.measures if measure.has_state and measure.has_codes %}
{{ measure.name }}__listed_codes as (
    select
        {{ customer_retention.sorted_list(customer_retention.struct_of({'seen': 'seen', 'bit': 'bit'})) }} as codes
    from {{ measure.name }}__codes
),
{% endfor %}
{%- endmacro -%}

{#- What the output column is made from, beside what features are. -#}
{%- macro _joins_of_state(asked) -%}
    {%- for measure in asked.measures if measure.has_state and measure.has_codes %}
    cross join {{ measure.name }}__listed_codes
    {%- endfor %}
    {%- if asked.has_state_of_days %}
    left join older_days on cumulated.row_id = older_days.row_id
    {%- endif %}
{%- endmacro -%}

{#- The states as columns like those of the buckets. -#}
{%- macro _state_totals(asked, entity) -%}
{%- set coded = asked.measures | selectattr('has_codes') | selectattr('has_state') | list -%}
state_totals as (
    select
        carried_states.{{ entity }}
        {%- for partial in asked.partials if partial.carried %},
        {{ partial.name ~ '.bits' if partial.combine == 'or' else 'carried_states.' ~ partial.name }} as {{ partial.name }}
        {%- endfor %}
    from carried_states
    {%- for measure in coded %}
    left join (
        select
            {{ measure.name }}__of_state.{{ entity }},
            bit_or({{ measure.name }}__codes.bit) as bits
        from {{ measure.name }}__of_state
        inner join {{ measure.name }}__codes on {{ measure.name }}__of_state.seen = {{ measure.name }}__codes.seen
        group by {{ measure.name }}__of_state.{{ entity }}
    ) as {{ measure.name }}__bits on carried_states.{{ entity }} = {{ measure.name }}__bits.{{ entity }}
    {%- endfor %}
),
{% endmacro -%}

{#- A partial result of all events that have become too old by a row: those that are carried, and those that pass by. -#}
{%- macro _older_total(asked, partial, column, passing) -%}
    {%- set total = partial.merge ~ '(' ~ column ~ ') over earlier' -%}
    {%- set before = 'state_totals.' ~ partial.name if asked.resumes else passing -%}
    {%- if not asked.resumes and not asked.has_versions -%}
        {{ total }}
    {%- elif partial.combine in ['add', 'or'] -%}
        coalesce({{ before }}{{ ' + ' if partial.combine == 'add' else ' | ' }}{{ total }}, {{ before }}, {{ total }})
    {%- elif partial.combine in ['least', 'greatest'] -%}
        {{ partial.combine }}({{ before }}, {{ total }})
    {%- else -%}
        case when {{ before }} is null or {{ total }} {{ '<' if partial.combine == 'first' else '>' }} {{ before }} then {{ total }} else {{ before }} end
    {%- endif -%}
{%- endmacro -%}

{#- What of a value at a row belongs to the state. -#}
{%- macro _older_of_value(asked, measure) -%}
    {%- if not measure.has_frequencies -%}
        max({{ customer_retention._bucket(asked, 'timed_events.event_us', 'spine_rows.as_of_us') }}) as oldest
    {%- else -%}
        {%- set occurrences = 'timed_events.occurrences' if asked.resumes else '1' -%}
        {%- if asked.longest_us is none -%}
            cast(sum({{ occurrences }}) as bigint) as occurrences__older
        {%- else -%}
            cast(sum(case when timed_events.event_us < spine_rows.as_of_us - {{ asked.longest_us }} then {{ occurrences }} else 0 end) as bigint) as occurrences__older
        {%- endif -%}
    {%- endif -%}
{%- endmacro -%}

{%- macro _older_values(asked, measure) -%}
    {%- if measure.has_frequencies -%}
        {{ customer_retention.sorted_list(customer_retention.struct_of({'seen': 'seen', 'occurrences': 'occurrences__older'}), 'occurrences__older > 0') }}
    {%- else -%}
        {{ customer_retention.sorted_list('seen', 'oldest = ' ~ asked.older_bucket) }}
    {%- endif -%}
{%- endmacro -%}

{#- The values of a state as if they were events: known since then, and too old for any window of a later row. -#}
{%- macro _events_of_state(asked, measure, entity) -%}
select
            {{ entity }},
            since_us - {{ (asked.longest_us or 0) + 1 }} as event_us,
            since_us as known_us,
            seen
            {%- if measure.has_frequencies %},
            occurrences
            {%- endif %}
        from {{ measure.name }}__of_state
{%- endmacro -%}

{#- The days of a state in the same way. -#}
{%- macro _days_of_state(asked, entity) -%}
select
            {{ entity }},
            active_day * 86400000000 as event_us,
            since_us as known_us
        from (
            select
                {{ entity }},
                since_us,
                {{ customer_retention.explode_list('days') }} as active_day
            from carried_states
        ) as listed_days
{%- endmacro -%}

{%- macro _older_days(asked) -%}
older_days as (
    select
        row_id,
        {{ customer_retention.sorted_list('active_day', 'oldest = ' ~ asked.older_bucket) }} as days
    from active_days
    group by row_id
),
{% endmacro -%}
