{#- Private: the parts of the query of `window_features`. -#}

{#- Rows of the spine with small keys: integers where numbering is cheap. -#}
{%- macro _numbered_spine(spine, entity, resumes=false) -%}
    {{ return(adapter.dispatch('_numbered_spine', 'customer_retention')(spine, entity, resumes)) }}
{%- endmacro -%}

{%- macro default___numbered_spine(spine, entity, resumes) -%}
    select
        {{ entity }},
        feature_timestamp,
        as_of_us,
        row_id,
        min(row_id) over (partition by {{ entity }}) as entity_number,
        {%- if resumes %}
        since_us,
        {%- endif %}
        coalesce(lag(as_of_us) over (partition by {{ entity }} order by row_id), {{ 'since_us' if resumes else '-9223372036854775807' }}) as previous_us
    from (
        select
            {{ entity }},
            feature_timestamp,
            {%- if resumes %}
            since_us,
            {%- endif %}
            {{ customer_retention.epoch_us('feature_timestamp') }} as as_of_us,
            cast(row_number() over (order by {{ entity }}, feature_timestamp) as integer) as row_id
        from {{ spine }}
        {%- set chunk = customer_retention.chunk_condition(entity) %}
        {%- if chunk %}
        where {{ chunk }}
        {%- endif %}
    ) as numbered
{%- endmacro -%}

{#- Numbering all rows would bring them to one machine. -#}
{%- macro spark___numbered_spine(spine, entity, resumes) -%}
    select
        {{ entity }},
        feature_timestamp,
        as_of_us,
        struct({{ entity }}, as_of_us) as row_id,
        {{ entity }} as entity_number,
        {%- if resumes %}
        since_us,
        {%- endif %}
        coalesce(lag(as_of_us) over (partition by {{ entity }} order by as_of_us), {{ 'since_us' if resumes else '-9223372036854775807' }}) as previous_us
    from (
        select
            {{ entity }},
            feature_timestamp,
            {%- if resumes %}
            since_us,
            {%- endif %}
            {{ customer_retention.epoch_us('feature_timestamp') }} as as_of_us
        from {{ spine }}
    ) as timed
{%- endmacro -%}

{#- Events with their times, and the values that are asked for. -#}
{%- macro _timed_events(events, entity, event_at, available_at, superseded_at, where, columns, indent=4) -%}
    {%- set pad = '\n' ~ ' ' * indent -%}
    {%- set hashed = columns | selectattr('hashed', 'defined') | list -%}
    {%- if hashed -%}
    select
        {{- pad }}    *,
        {{- pad }}    cast({{ customer_retention.hash_value(hashed[0].hashed) }} as decimal(38, 0)) as fingerprint
    {{- pad }}from (
        {{- pad }}    {{ customer_retention._timed_events(events, entity, event_at, available_at, superseded_at, where, columns | selectattr('hashed', 'undefined') | list, indent + 4) }}
    {{- pad }}) as unhashed
    {%- else -%}
    select
        {{- pad }}    {{ entity }},
        {{- pad }}    {{ customer_retention.epoch_us(event_at) }} as event_us,
        {{- pad }}    {{ customer_retention.epoch_us(customer_retention.known_at(event_at, available_at)) }} as known_us
        {%- if superseded_at is not none %},
        {{- pad }}    {{ customer_retention._superseded_us(superseded_at) }} as superseded_us
        {%- endif %}
        {%- for column in columns %},
        {{- pad }}    {{ column.expression }} as {{ column.name }}
        {%- endfor %}
    {{- pad }}from {{ events }}
    {{- pad }}where
        {{- pad }}    {{ entity }} is not null
        {{- pad }}    and {{ event_at }} is not null
        {%- if superseded_at is not none %}
        {{- pad }}    and ({{ superseded_at }} is null or {{ superseded_at }} > {{ customer_retention.known_at(event_at, available_at) }})
        {%- endif %}
        {%- if where %}
        {{- pad }}    and ({{ where }})
        {%- endif %}
        {%- set chunk = customer_retention.chunk_condition(entity) %}
        {%- if chunk %}
        {{- pad }}    and {{ chunk }}
        {%- endif %}
    {%- endif %}
{%- endmacro -%}

{#- Of the declaration and of all visible events: changes when either does. -#}
{%- macro _fingerprint(asked, total) -%}
    concat('{{ asked.definition }}:', {{ customer_retention.to_text('cast(coalesce(' ~ total ~ ', 0) as decimal(38, 0))') }})
{%- endmacro -%}

{#- The rows of the spine that a daily run has to make. -#}
{%- macro _rows_to_compute(asked, spine, entity, timed_events, made) -%}
{%- if asked.has_fingerprint -%}
-- what each row was or would be made from
wanted_rows as (
    {{ customer_retention._numbered_spine(spine, entity) }}
),

timed_changes as (
    {{ timed_events }}
),

-- events at the first feature time that sees them{{ ', and at the first that no longer does' if asked.has_versions }}
entered as (
    select
        row_id,
        sum(fingerprint) as fingerprint
    from (
        select
            wanted_rows.row_id,
            timed_changes.fingerprint
        from timed_changes
        inner join wanted_rows
            on
                timed_changes.{{ entity }} = wanted_rows.{{ entity }}
                and timed_changes.known_us < wanted_rows.as_of_us
                and timed_changes.known_us >= wanted_rows.previous_us
        {%- if asked.has_versions %}
        union all
        {{ customer_retention._withdrawn_changes(asked, entity) | indent(4) }}
        {%- endif %}
    ) as changes
    group by row_id
),

fingerprints as (
    select
        wanted_rows.{{ entity }},
        wanted_rows.feature_timestamp,
        sum(entered.fingerprint) over (
            partition by wanted_rows.{{ entity }}
            order by wanted_rows.as_of_us
        ) as total
    from wanted_rows
    left join entered on wanted_rows.row_id = entered.row_id
),

-- rows that are missing, or were made from something else
{%- else -%}
-- rows that are missing; those that were made stay as they are, since nothing that is known later can change them
{%- endif %}
rows_to_compute as {{ customer_retention.materialized_cte() }} (
    select
        wanted.{{ entity }},
        wanted.feature_timestamp
    from {{ 'fingerprints' if asked.has_fingerprint else spine }} as wanted
    where
        not exists (
            select 1
            from {{ made }} as made
            where
                made.{{ entity }} = wanted.{{ entity }}
                and made.feature_timestamp = wanted.feature_timestamp
                {%- if asked.has_fingerprint %}
                and made.{{ asked.source }}_fingerprint = {{ customer_retention._fingerprint(asked, 'wanted.total') }}
                {%- endif %}
        )
),
{%- endmacro -%}

{#-
    The index of the smallest window that holds an event: one more than the windows that are too small for it. A sum of
    comparisons rather than a CASE, which DuckDB would work through branch by branch.
-#}
{%- macro _bucket(asked, event_us, as_of_us) -%}
    {%- set names = asked.windows | map(attribute='name') | list + ['older'] -%}
    (
            1 -- {{ names[0] }}
    {%- for window in asked.bounded %}
            + cast({{ event_us }} < {{ as_of_us }} - {{ window.us }} as tinyint) -- {{ names[window.index] }}
    {%- endfor %}
        )
{%- endmacro -%}

{#-
    The columns of `buckets`: how each is made from pairs, how it is merged along the feature times of an entity (`merge`)
    and with the next smaller window (`combine`), for which windows, and whether older events are carried in it.
-#}
{%- macro _window_partials(asked) -%}
    {%- set partials = [] -%}
    {%- set names = asked.windows | map(attribute='name') | list -%}
    {%- set merges = {'add': 'sum', 'least': 'min', 'greatest': 'max', 'or': 'bit_or', 'first': 'min', 'last': 'max'} -%}
    {%- set over_all = names if asked.has_all_time else names + ['ever'] -%}
    {%- do partials.append({'name': 'event_count', 'aggregate': 'count(*)', 'combine': 'add', 'windows': over_all if asked.has_recency else names}) -%}
    {%- if asked.has_recency -%}
        {%- do partials.append({'name': 'first_event_us', 'aggregate': 'min(event_us)', 'combine': 'least', 'windows': over_all}) -%}
        {%- do partials.append({'name': 'last_event_us', 'aggregate': 'max(event_us)', 'combine': 'greatest', 'windows': over_all}) -%}
    {%- endif -%}
    {%- if asked.has_fingerprint -%}
        {%- do partials.append({'name': 'fingerprint', 'aggregate': 'sum(fingerprint)', 'combine': 'add', 'windows': over_all}) -%}
    {%- endif -%}
    {%- for measure in asked.measures -%}
        {%- set own = [] -%}
        {%- set ticks, flag, value = measure.name ~ '__ticks', measure.name ~ '__true', measure.name ~ '__value' -%}
        {%- set counted = ticks if measure.has_ticks else flag if measure.has_trues else value -%}
        {%- if measure.needs_count -%}
            {%- do own.append(['count', 'count(' ~ counted ~ ')', 'add']) -%}
        {%- endif -%}
        {%- if measure.has_trues -%}
            {%- do own.append(['trues', 'count(case when ' ~ flag ~ ' then 1 end)', 'add']) -%}
        {%- endif -%}
        {%- if measure.needs_sum -%}
            {%- set summed = measure.name ~ '__whole' if measure.is_double else ticks -%}
            {%- do own.append(['sum', 'cast(sum(' ~ ticks ~ ') as bigint)' if measure.is_narrow else 'sum(' ~ summed ~ ')', 'add']) -%}
        {%- endif -%}
        {%- if measure.is_double and measure.needs_sum -%}
            {%- do own.append(['fraction', 'sum(' ~ measure.name ~ '__fraction)', 'add']) -%}
        {%- endif -%}
        {%- if measure.has_spread -%}
            {%- set square = customer_retention.square(ticks, measure.precision) if measure.is_narrow else measure.name ~ '__square' -%}
            {%- do own.append(['squares', 'sum(' ~ square ~ ')', 'add']) -%}
        {%- endif -%}
        {%- if measure.has_spread and (measure.is_double or measure.has_large_squares) -%}
            {%- do own.append(['square_units', 'sum(' ~ measure.name ~ '__square_unit)', 'add']) -%}
        {%- endif -%}
        {%- if measure.has_spread and measure.is_double -%}
            {%- do own.append(['square_fractions', 'sum(' ~ measure.name ~ '__square_fraction)', 'add']) -%}
        {%- endif -%}
        {%- if measure.has_slope -%}
            {%- set time = 'case when ' ~ ticks ~ ' is not null then event_s end' -%}
            {%- do own.append(['times', 'sum(' ~ time ~ ')', 'add']) -%}
            {%- do own.append(['square_times', 'sum(cast(' ~ time ~ ' as decimal(38, 0)) * event_s)', 'add']) -%}
            {%- do own.append(['products', 'sum(cast(' ~ ticks ~ ' as decimal(38, 0)) * event_s)', 'add']) -%}
        {%- endif -%}
        {%- if 'min' in measure.aggregates or (measure.has_spread and measure.is_double) -%}
            {%- do own.append(['min', 'min(' ~ ticks ~ ')', 'least']) -%}
        {%- endif -%}
        {%- if 'max' in measure.aggregates or (measure.has_spread and measure.is_double) -%}
            {%- do own.append(['max', 'max(' ~ ticks ~ ')', 'greatest']) -%}
        {%- endif -%}
        {%- set what = ticks if measure.kind == 'number' else value -%}
        {%- set dated = 'case when ' ~ what ~ ' is not null then '
            ~ customer_retention.struct_of({'event_us': 'event_us', 'known_us': 'known_us', 'seen': what}) ~ ' end' -%}
        {%- if 'first' in measure.aggregates -%}
            {%- do own.append(['first', 'min(' ~ dated ~ ')', 'first']) -%}
        {%- endif -%}
        {%- if 'last' in measure.aggregates or 'last_per_mean' in measure.aggregates -%}
            {%- do own.append(['last', 'max(' ~ dated ~ ')', 'last']) -%}
        {%- endif -%}
        {%- if measure.has_codes -%}
            {%- do own.append(['bits', 'bit_or(' ~ measure.name ~ '__bit)', 'or']) -%}
        {%- endif -%}
        {#- A chain of windows has no gaps, so it runs from the smallest up to the longest that is asked for. -#}
        {%- set longest = measure.windows | map(attribute='index') | max -%}
        {%- for name, aggregate, combine in own -%}
            {%- do partials.append({'name': measure.name ~ '__' ~ name, 'aggregate': aggregate, 'combine': combine, 'windows': names[:longest]}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for partial in partials -%}
        {%- do partial.update({
            'merge': merges[partial.combine],
            'carried': asked.carries and partial.windows | length >= asked.older_bucket,
        }) -%}
    {%- endfor -%}
    {{ return(partials) }}
{%- endmacro -%}

{#- A partial result of a window: that of the next smaller one, and what lies between the two. -#}
{%- macro _cumulated(asked, partial, index, smaller) -%}
    {%- set own = 'spine_rows.' ~ partial.name ~ '__older' if index == asked.older_bucket else 'bucket_' ~ index ~ '.' ~ partial.name -%}
    {%- set before = partial.name ~ '__' ~ smaller if index > 1 else none -%}
    {%- if partial.combine in ['add', 'or'] -%}
        {{ before ~ (' + ' if partial.combine == 'add' else ' | ') if before }}coalesce({{ own }}, 0)
    {%- elif before is none -%}
        {{ own }}
    {%- elif partial.combine in ['least', 'greatest'] -%}
        {{ partial.combine }}({{ before }}, {{ own }})
    {%- elif partial.combine == 'first' -%}
        coalesce({{ own }}, {{ before }})
    {%- else -%}
        coalesce({{ before }}, {{ own }})
    {%- endif -%}
{%- endmacro -%}

{#-
    The buckets of a row side by side: `bucket_<index>.<partial>`, and `<partial>__older` for all events that had become
    too old by then. DuckDB joins them one by one, which beats a second group-by.
-#}
{%- macro _side_by_side(asked, entity) -%}
    {{ return(adapter.dispatch('_side_by_side', 'customer_retention')(asked, entity)) }}
{%- endmacro -%}

{%- macro default___side_by_side(asked, entity) -%}
{%- if asked.carries %}
-- the rows, each with what had become too old by then
rows_with_older as (
    select
        spine_rows.*
        {%- for partial in asked.partials if partial.carried %},
        {{ customer_retention._older_total(asked, partial, 'buckets.' ~ partial.name, 'passing.' ~ partial.name) }} as {{ partial.name }}__older
        {%- endfor %}
    from spine_rows
    left join buckets
        on
            spine_rows.row_id = buckets.row_id
            and buckets.bucket = {{ asked.older_bucket }}
    {%- if asked.has_versions %}
    left join buckets as passing
        on
            spine_rows.row_id = passing.row_id
            and passing.bucket = {{ asked.older_bucket + 1 }}
    {%- endif %}
    {%- if asked.resumes %}
    left join state_totals on spine_rows.{{ entity }} = state_totals.{{ entity }}
    {%- endif %}
    {{ customer_retention._earlier_rows() }}
),
{% endif %}
{%- endmacro -%}

{#- Spark makes a table anew for each of its readers, so here one query reads the buckets, and once. -#}
{%- macro spark___side_by_side(asked, entity) %}
pivoted as (
    select
        row_id
        {%- for bucket in range(1, asked.older_bucket + ((2 if asked.has_versions else 1) if asked.carries else 0)) %}
        {%- for partial in asked.partials if bucket < asked.older_bucket or partial.carried %},
        max(case when bucket = {{ bucket }} then {{ partial.name }} end) as {{ partial.name }}__{{ bucket }}
        {%- endfor %}
        {%- endfor %}
    from buckets
    group by row_id
),

-- the last one holds what had become too old by then
side_by_side as (
    select
        spine_rows.*
        {%- for window in asked.bounded %},
        named_struct(
            {%- for partial in asked.partials %}
            '{{ partial.name }}', pivoted.{{ partial.name }}__{{ window.index }}{{ ',' if not loop.last }}
            {%- endfor %}
        ) as bucket_{{ window.index }}
        {%- endfor %}
        {%- for partial in asked.partials if partial.carried %},
        {{ customer_retention._older_total(asked, partial, 'pivoted.' ~ partial.name ~ '__' ~ asked.older_bucket, 'pivoted.' ~ partial.name ~ '__' ~ (asked.older_bucket + 1)) }} as {{ partial.name }}__older
        {%- endfor %}
    from spine_rows
    left join pivoted on spine_rows.row_id = pivoted.row_id
    {%- if asked.resumes and asked.carries %}
    left join state_totals on spine_rows.{{ entity }} = state_totals.{{ entity }}
    {%- endif %}
    {{ customer_retention._earlier_rows() if asked.carries }}
),
{% endmacro -%}

{%- macro _earlier_rows() -%}
    window earlier as (
        partition by spine_rows.entity_number
        order by spine_rows.as_of_us
        rows between unbounded preceding and current row
    )
{%- endmacro -%}

{%- macro _rows_with_buckets(asked) -%}
    {{ return(adapter.dispatch('_rows_with_buckets', 'customer_retention')(asked)) }}
{%- endmacro -%}

{%- macro default___rows_with_buckets(asked) -%}
    {{ 'rows_with_older as spine_rows' if asked.carries else 'spine_rows' }}
    {%- for window in asked.bounded %}
    left join buckets as bucket_{{ window.index }} on spine_rows.row_id = bucket_{{ window.index }}.row_id and bucket_{{ window.index }}.bucket = {{ window.index }} -- {{ window.name }}
    {%- endfor %}
{%- endmacro -%}

{%- macro spark___rows_with_buckets(asked) -%}
    side_by_side as spine_rows
{%- endmacro -%}

{#- The values of a measure told apart one by one: those that have no bit, or, where frequencies matter, all. -#}
{%- macro _value_ctes(asked, measure, entity) -%}
{%- set name = measure.name -%}
{%- if measure.has_codes %}
-- events with a value of {{ name }} that has no bit; by themselves, so that where all have bits the events are not read again
{{ name }}__uncoded_events as {{ customer_retention.materialized_cte() }} (
    select timed_events.*
    from (
        {{ customer_retention._events_with_values(asked, measure, entity) }}
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
        {{ 'cast(sum(timed_events.occurrences) as bigint)' if asked.resumes and measure.has_state else 'count(*)' }}
        {%- else -%}
        count(case when timed_events.event_us >= spine_rows.as_of_us - {{ window.us }} then 1 end)
        {%- endif %} as occurrences__{{ window.name }}{{ ',' if not loop.last }}
        {%- endfor %}
        {%- else %}
        min({{ customer_retention._bucket(asked, 'timed_events.event_us', 'spine_rows.as_of_us') }}) as bucket
        {%- endif %}
        {%- if measure.has_state %},
        {{ customer_retention._older_of_value(asked, measure) }}
        {%- endif %}
    {%- if measure.has_codes %}
    from {{ name }}__uncoded_events as timed_events
    {%- else %}
    from (
        {{ customer_retention._events_with_values(asked, measure, entity) }}
    ) as timed_events
    {%- endif %}
    {{- customer_retention._all_pairs(asked, entity) }}
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
        {{ customer_retention._older_values(asked, measure) }} as older_values
        {%- endif %}
    from {{ name }}__by_value
    group by row_id
),
{% endmacro -%}

{#- Events with a value, and those of a state as if they were some. -#}
{%- macro _events_with_values(asked, measure, entity) -%}
{%- set resumes = asked.resumes and measure.has_state -%}
        select
            {{ entity }},
            event_us,
            known_us,
            {%- if asked.has_versions %}
            superseded_us,
            {%- endif %}
            {{ measure.name }}__value as seen
            {%- if resumes and measure.has_frequencies %},
            1 as occurrences
            {%- endif %}
        from timed_events
        {%- if resumes %}
        union all
        {{ customer_retention._events_of_state(asked, measure, entity) }}
        {%- endif %}
{%- endmacro -%}

{#- The joins from events to every feature time that sees them, none left to the carried totals. -#}
{%- macro _all_pairs(asked, entity) %}
    inner join entities on {{ customer_retention._same_entity(asked, entity) }}
    inner join spine_rows
        on
            entities.entity_number = spine_rows.entity_number
            and timed_events.known_us < spine_rows.as_of_us
            {{- customer_retention._not_superseded(asked, 'timed_events') }}
{%- endmacro -%}

{#- The output columns in their order, each with what a comparison must know of it. -#}
{%- macro _window_columns(asked) -%}
    {%- set columns = [] -%}
    {%- for window in asked.windows -%}
        {%- do columns.append({
            'name': asked.source ~ '_count_' ~ window.name, 'of': 'count', 'window': window.name, 'aggregate': 'count', 'is_number': true,
            'expression': 'cast(cumulated.event_count__' ~ window.name ~ ' as bigint)',
        }) -%}
    {%- endfor -%}
    {%- for measure in asked.measures -%}
        {%- for aggregate in measure.aggregates -%}
            {%- for window in measure.windows -%}
                {%- set of = measure.name ~ '_' ~ aggregate -%}
                {%- do columns.append({
                    'name': asked.source ~ '_' ~ of ~ '_' ~ window.name, 'of': of, 'window': window.name, 'aggregate': aggregate,
                    'is_number': aggregate not in ['mode', 'any', 'all'] and not (aggregate in ['first', 'last'] and measure.kind == 'text'),
                    'expression': customer_retention._window_aggregate(measure, aggregate, window.name),
                }) -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set ever = 'all_time' if asked.has_all_time else 'ever' -%}
    {%- if asked.recency -%}
        {%- set first, last, count = 'cumulated.first_event_us__' ~ ever, 'cumulated.last_event_us__' ~ ever, 'cumulated.event_count__' ~ ever -%}
        {%- set days = ' as double) / 86400000000' -%}
        {%- for since in ['last', 'first'] -%}
            {%- do columns.append({'name': asked.source ~ '_days_since_' ~ since, 'expression': customer_retention._days_since(since, ever)}) -%}
        {%- endfor -%}
        {%- do columns.append({
            'name': asked.source ~ '_mean_gap_days',
            'expression': 'case when ' ~ count ~ ' > 1 then cast(' ~ last ~ ' - ' ~ first ~ days ~ ' / cast(' ~ count ~ ' - 1 as double) end',
        }) -%}
    {%- endif -%}
    {%- do columns.extend(customer_retention._rhythm_columns(asked, ever)) -%}
    {%- if asked.has_fingerprint -%}
        {%- do columns.append({
            'name': asked.source ~ '_fingerprint',
            'expression': customer_retention._fingerprint(asked, 'cumulated.fingerprint__' ~ ever),
        }) -%}
    {%- endif -%}
    {%- if asked.has_state -%}
        {%- do columns.append({'name': asked.source ~ '_carried', 'expression': customer_retention._state_column(asked)}) -%}
    {%- endif -%}
    {{ return(columns) }}
{%- endmacro -%}

{#- One output column, from the cumulated partials. -#}
{%- macro _window_aggregate(measure, aggregate, window) -%}
    {%- set unit = (10 ** measure.scale) ~ '.0' -%}
    {%- set column = 'cumulated.' ~ measure.name ~ '__%s__' ~ window -%}
    {%- set count, trues, total = column % 'count', column % 'trues', customer_retention._total(measure, window) -%}
    {%- set by_row = measure.name ~ '__by_row.%s__' ~ window -%}
    {%- if aggregate == 'count' -%}
        cast({{ trues if measure.counts_trues else count }} as bigint)
    {%- elif aggregate == 'sum' -%}
        {{ total }} / {{ unit }}
    {%- elif aggregate == 'mean' -%}
        case when {{ count }} > 0 then {{ total }} / {{ unit }} / cast({{ count }} as double) end
    {%- elif aggregate in ('min', 'max') -%}
        cast({{ column % aggregate }} as double) / {{ unit }}
    {%- elif aggregate in ('variance', 'stddev') -%}
        {{ customer_retention._spread_of(measure, window, unit, root=aggregate == 'stddev') }}
    {%- elif aggregate == 'slope' -%}
        {{ customer_retention._slope(column, unit) }}
    {%- elif aggregate in ('first', 'last') -%}
        {%- set seen = column % aggregate ~ '.seen' -%}
        {{ 'cast(' ~ seen ~ ' as double) / ' ~ unit if measure.kind == 'number' else 'cast(' ~ seen ~ ' as ' ~ dbt.type_string() ~ ')' }}
    {%- elif aggregate == 'last_per_mean' -%}
        cast({{ column % 'last' }}.seen as double) / nullif({{ total }} / cast(nullif({{ count }}, 0) as double), 0)
    {%- elif aggregate == 'nunique' and measure.has_codes -%}
        {{ customer_retention.bit_count(column % 'bits') }} + cast(coalesce({{ by_row % 'nunique' }}, 0) as bigint)
    {%- elif aggregate == 'nunique' -%}
        cast(coalesce({{ by_row % 'nunique' }}, 0) as bigint)
    {%- elif aggregate == 'mode' -%}
        {{ by_row % 'mode' }}.seen
    {%- elif aggregate == 'entropy' -%}
        {%- set total, most, logs = by_row % 'total', by_row % 'most', by_row % 'logs' -%}
        case
            when {{ total }} = {{ most }} and {{ total }} > 0 then cast(0 as double)
            when {{ total }} > 0 then ln(cast({{ total }} as double)) - cast({{ logs }} as double) / cast({{ total }} as double)
        end
    {%- elif aggregate == 'any' -%}
        {{ trues }} > 0
    {%- elif aggregate == 'all' -%}
        case when {{ count }} > 0 then {{ trues }} = {{ count }} end
    {%- else -%}
        case when {{ count }} > 0 then cast({{ trues }} as double) / cast({{ count }} as double) end
    {%- endif -%}
{%- endmacro -%}

{#-
    Sample variance, or its root: squared distances from the mean rounded to a whole number m, which are exact, less what
    the rounding adds: sum (x - m)^2 = squares - m * (sum + rest) with rest = sum - n * m. Nothing cancels, and no
    intermediate is greater than the sum of squares.
-#}
{%- macro _spread(count, sum, squares, unit, root) -%}
    {%- set whole_sum = 'cast(' ~ sum ~ ' as decimal(38, 0))' -%}
    {%- set mean = 'cast(round(cast(' ~ sum ~ ' as double) / cast(' ~ count ~ ' as double)) as decimal(19, 0))' -%}
    {%- set rest = '(' ~ whole_sum ~ ' - ' ~ count ~ ' * ' ~ mean ~ ')' -%}
    case
            when {{ count }} > 1
                then {{ 'sqrt(' if root }}(
                    cast(cast({{ squares }} as decimal(38, 0)) - {{ mean }} * cast({{ whole_sum }} + {{ rest }} as decimal(38, 0)) as double)
                    - cast({{ rest }} as double) * cast({{ rest }} as double) / cast({{ count }} as double)
                ) / cast({{ count }} - 1 as double){{ ') / ' ~ unit if root else ' / ' ~ unit ~ ' / ' ~ unit }}
        end
{%- endmacro -%}

{#- Least squares, per day: times are counted from their mean m in whole seconds, so all sums stay whole and exact. -#}
{%- macro _slope(column, unit) -%}
    {%- set n = 'cast(' ~ column % 'count' ~ ' as decimal(18, 0))' -%}
    {%- set sum, times = ('cast(' ~ column % 'sum' ~ ' as decimal(38, 0))', 'cast(' ~ column % 'times' ~ ' as decimal(38, 0))') -%}
    {%- set mean = 'cast(round(cast(' ~ times ~ ' as double) / cast(' ~ n ~ ' as double)) as decimal(18, 0))' -%}
    {%- set rest = 'cast(' ~ times ~ ' - ' ~ n ~ ' * ' ~ mean ~ ' as decimal(38, 0))' -%}
    {%- set products = 'cast(cast(' ~ column % 'products' ~ ' as decimal(38, 0)) - ' ~ mean ~ ' * ' ~ sum ~ ' as decimal(38, 0))' -%}
    {%- set squares = 'cast(cast(' ~ column % 'square_times' ~ ' as decimal(38, 0)) - ' ~ mean ~ ' * cast(' ~ times ~ ' + ' ~ rest ~ ' as decimal(38, 0)) as decimal(38, 0))' -%}
    case
            when {{ column % 'count' }} > 1
                then
                    cast({{ n }} * {{ products }} - {{ sum }} * {{ rest }} as double)
                    / nullif(cast({{ n }} * {{ squares }} - {{ rest }} * {{ rest }} as double), 0)
                    * 86400 / {{ unit }}
        end
{%- endmacro -%}
