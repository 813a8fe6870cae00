{#- Private: partial results cumulated from the smallest window of `window_features` to the longest. -#}
{%- macro _cumulated_partials(declaration) -%}
-- windows are nested: each adds what lies between it and the next smaller one
cumulated as (
    select
        spine_rows.{{ declaration.entity }},
        spine_rows.feature_timestamp,
        spine_rows.row_id,
        spine_rows.as_of_us
        {%- for partial in declaration.partials %}
        {%- for window in partial.windows %},
        {{ customer_retention._cumulated(declaration, partial, loop.index, loop.previtem) }} as {{ partial.name }}__{{ window }}
        {%- endfor %}
        {%- if declaration.has_state and partial.carried %},
        spine_rows.{{ partial.name }}__older
        {%- endif %}
        {%- endfor %}
    from {{ customer_retention._rows_with_buckets(declaration) }}
),
{%- endmacro -%}

{#- A partial result of a window: that of the next smaller one, and what lies between the two. -#}
{%- macro _cumulated(declaration, partial, index, smaller) -%}
    {%- set own = 'spine_rows.' ~ partial.name ~ '__older' if index == declaration.older_bucket else 'bucket_' ~ index ~ '.' ~ partial.name -%}
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

{#- The rows, each with its buckets. -#}
{%- macro _rows_with_buckets(declaration) -%}
    {{ return(adapter.dispatch('_rows_with_buckets', 'customer_retention')(declaration)) }}
{%- endmacro -%}

{%- macro default___rows_with_buckets(declaration) -%}
    {{ 'rows_with_older as spine_rows' if declaration.carries else 'spine_rows' }}
    {%- for window in declaration.bounded %}
    left join buckets as bucket_{{ window.index }} on spine_rows.row_id = bucket_{{ window.index }}.row_id and bucket_{{ window.index }}.bucket = {{ window.index }} -- {{ window.name }}
    {%- endfor %}
{%- endmacro -%}

{%- macro spark___rows_with_buckets(declaration) -%}
    side_by_side as spine_rows
{%- endmacro -%}
