{#- Private: events of `window_features`, from the caller's relation to those of the spine's entities. -#}

{#- What is computed of each event: `name`, `expression`, and `in_pairs`, whether pairs take it along. -#}
{%- macro _event_columns(measures, has_fingerprint) -%}
    {%- set columns = [] -%}
    {%- for measure in measures -%}
        {%- if measure.has_ticks -%}
            {%- do columns.append({
                'name': measure.name ~ '__ticks', 'in_pairs': true,
                'expression': customer_retention._checked_number(measure, measure.restricted),
            }) -%}
        {%- endif -%}
        {%- if measure.has_trues -%}
            {%- do columns.append({'name': measure.name ~ '__true', 'in_pairs': true, 'expression': measure.restricted}) -%}
        {%- endif -%}
        {%- if measure.has_values or measure.has_plain_value -%}
            {%- do columns.append({
                'name': measure.name ~ '__value', 'in_pairs': measure.has_plain_value, 'expression': measure.value
            }) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if has_fingerprint -%}
        {%- set hashed = ['event_us', 'known_us'] + columns | map(attribute='name') | list -%}
        {%- do columns.append({'name': 'fingerprint', 'in_pairs': true, 'hashed': hashed}) -%}
    {%- endif -%}
    {{ return(columns) }}
{%- endmacro -%}

{#- Events with their times and these columns. -#}
{%- macro _timed_events(declaration, where, columns=none, indent=4) -%}
    {%- set pad = '\n' ~ ' ' * indent -%}
    {%- set columns = declaration.event_columns if columns is none else columns -%}
    {%- set hashed = columns | selectattr('hashed', 'defined') | list -%}
    {%- set known_at = customer_retention.known_at(declaration.event_at, declaration.available_at) -%}
    {%- set superseded_at = declaration.superseded_at -%}
    {%- if hashed -%}
    select
        {{- pad }}    *,
        {{- pad }}    cast({{ customer_retention.hash_value(hashed[0].hashed) }} as decimal(38, 0)) as fingerprint
    {{- pad }}from (
        {{- pad }}    {{ customer_retention._timed_events(declaration, where, columns | selectattr('hashed', 'undefined') | list, indent + 4) }}
    {{- pad }}) as unhashed
    {%- else -%}
    select
        {{- pad }}    {{ declaration.entity }},
        {{- pad }}    {{ customer_retention.epoch_us(declaration.event_at) }} as event_us,
        {{- pad }}    {{ customer_retention.epoch_us(known_at) }} as known_us
        {%- if declaration.has_versions %},
        {{- pad }}    {{ customer_retention._superseded_us(superseded_at) }} as superseded_us
        {%- endif %}
        {%- for column in columns %},
        {{- pad }}    {{ column.expression }} as {{ column.name }}
        {%- endfor %}
    {{- pad }}from {{ declaration.events }}
    {{- pad }}where
        {{- pad }}    {{ declaration.entity }} is not null
        {{- pad }}    and {{ declaration.event_at }} is not null
        {%- if declaration.has_versions %}
        {{- pad }}    and ({{ superseded_at }} is null or {{ superseded_at }} > {{ known_at }})
        {%- endif %}
        {%- if where %}
        {{- pad }}    and ({{ where }})
        {%- endif %}
        {%- set chunk = customer_retention.chunk_condition(declaration.entity) %}
        {%- if chunk %}
        {{- pad }}    and {{ chunk }}
        {%- endif %}
    {%- endif %}
{%- endmacro -%}

{%- macro _ordered_events(declaration) -%}
{%- set coded = declaration.measures | selectattr('has_codes') | list -%}
-- events of the spine's entities; neighbours in the order share their entity's totals, which so stay in the cache
ordered_events as (
    select
        entities.entity_number,
        timed_events.event_us,
        timed_events.known_us
        {%- if declaration.has_versions %},
        timed_events.superseded_us
        {%- endif %}
        {%- if declaration.carries %},
        {{ customer_retention._carried_from(declaration) }} as matters_until_us
        {%- endif %}
        {%- if declaration.has_slope %},
        cast(floor(timed_events.event_us / 1000000) as decimal(18, 0)) as event_s
        {%- endif %}
        {%- for column in declaration.pair_columns %},
        timed_events.{{ column.name }}
        {%- endfor %}
        {%- for measure in declaration.measures %}
        {%- for column in customer_retention._added_columns(measure) %},
        {{ column.expression }} as {{ measure.name }}__{{ column.name }}
        {%- endfor %}
        {%- endfor %}
        {%- for measure in coded %},
        {{ measure.name }}__codes.bit as {{ measure.name }}__bit
        {%- endfor %}
    from timed_events
    inner join entities on {{ customer_retention._same_entity(declaration) }}
    {%- for measure in coded %}
    left join {{ measure.name }}__codes on timed_events.{{ measure.name }}__value = {{ measure.name }}__codes.seen
    {%- endfor %}
    {{ customer_retention.cluster_by('entities.entity_number') }}
),
{% endmacro -%}
