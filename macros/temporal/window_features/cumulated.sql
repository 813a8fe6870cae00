{#- Private: partial results cumulated from the smallest window of `window_features` to the longest. -#}
{%- macro _cumulated_partials(declaration) -%}
    {{ return(adapter.dispatch('_cumulated_partials', 'customer_retention')(declaration)) }}
{%- endmacro -%}

{#-
    A step for each window, which joins its bucket. DuckDB puts the expression in place of a name that is made in the same
    select: in one select the chains of names would grow with the square of the windows, and planning with them.
-#}
{%- macro default___cumulated_partials(declaration) -%}
-- windows are nested: each adds what lies between it and the next smaller one
{%- set older = [{'index': declaration.older_bucket, 'name': declaration.ever, 'us': none}] if declaration.carries else [] -%}
{%- set steps = declaration.bounded + older -%}
{%- for window in steps %}
{%- set is_older = window.us is none %}
{{ 'cumulated' if loop.last else 'cumulated_' ~ window.name }} as (
    select
        shorter.*
        {%- for partial in declaration.partials if window.name in partial.windows %}
        {%- set own = 'shorter.' ~ partial.name ~ '__older' if is_older else 'own.' ~ partial.name -%}
        {%- set before = 'shorter.' ~ partial.name ~ '__' ~ partial.windows[window.index - 2] if window.index > 1 else none -%}
        ,
        {{ customer_retention._cumulated(partial, own, before) }} as {{ partial.name }}__{{ window.name }}
        {%- endfor %}
    from {{ 'cumulated_' ~ loop.previtem.name if not loop.first else 'rows_with_older' if declaration.carries else 'spine_rows' }} as shorter
    {%- if not is_older %}
    left join buckets as own
        on
            shorter.row_id = own.row_id
            and own.bucket = {{ window.index }}
    {%- endif %}
),
{% endfor %}
{%- endmacro -%}

{%- macro spark___cumulated_partials(declaration) -%}
-- windows are nested: each adds what lies between it and the next smaller one
cumulated as (
    select
        spine_rows.{{ declaration.entity }},
        spine_rows.feature_timestamp,
        spine_rows.row_id,
        spine_rows.as_of_us
        {%- for partial in declaration.partials %}
        {%- for window in partial.windows %}
        {%- set own = 'spine_rows.' ~ partial.name ~ '__older' if loop.index == declaration.older_bucket else 'bucket_' ~ loop.index ~ '.' ~ partial.name -%}
        ,
        {{ customer_retention._cumulated(partial, own, partial.name ~ '__' ~ loop.previtem if not loop.first) }} as {{ partial.name }}__{{ window }}
        {%- endfor %}
        {%- if declaration.has_state and partial.carried %},
        spine_rows.{{ partial.name }}__older
        {%- endif %}
        {%- endfor %}
    from side_by_side as spine_rows
),
{% endmacro -%}

{#- A partial result of a window: `before`, that of the next smaller one, if there is one, and `own`, what lies between the two. -#}
{%- macro _cumulated(partial, own, before) -%}
    {%- if partial.combine in ['add', 'or'] -%}
        {{ before ~ (' + ' if partial.combine == 'add' else ' | ') if before }}coalesce({{ own }}, 0)
    {%- elif not before -%}
        {{ own }}
    {%- elif partial.combine in ['least', 'greatest'] -%}
        {{ partial.combine }}({{ before }}, {{ own }})
    {%- elif partial.combine == 'first' -%}
        coalesce({{ own }}, {{ before }})
    {%- else -%}
        coalesce({{ before }}, {{ own }})
    {%- endif -%}
{%- endmacro -%}
