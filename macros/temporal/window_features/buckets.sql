{#- Private: partial results of `window_features`: made for each bucket of a row, and the buckets of a row side by side. -#}

{#-
    The columns of `buckets`, in this order: those of all events, then those of each measure by family. Of each

    - `name`, and `aggregate`, how it is made from pairs
    - `combine`: how it is combined with that of the next smaller window: add, or, least, greatest, or as a dated value
      first or last; `merge`: the aggregate that merges it along the feature times of an entity
    - `windows`: the suffixes of the windows for which it is cumulated
    - `carried`: whether it is cumulated over what is older than all windows with a length
-#}
{%- macro _window_partials(declaration) -%}
    {%- set names = declaration.windows | map(attribute='name') | list -%}
    {%- set over_all = names if declaration.has_all_time else names + ['ever'] -%}
    {%- set made = [{'name': 'event_count', 'aggregate': 'count(*)', 'combine': 'add', 'windows': over_all if declaration.has_recency else names}] -%}
    {%- if declaration.has_recency -%}
        {%- do made.append({'name': 'first_event_us', 'aggregate': 'min(event_us)', 'combine': 'least', 'windows': over_all}) -%}
        {%- do made.append({'name': 'last_event_us', 'aggregate': 'max(event_us)', 'combine': 'greatest', 'windows': over_all}) -%}
    {%- endif -%}
    {%- if declaration.has_fingerprint -%}
        {%- do made.append({'name': 'fingerprint', 'aggregate': 'sum(fingerprint)', 'combine': 'add', 'windows': over_all}) -%}
    {%- endif -%}
    {%- for measure in declaration.measures -%}
        {#- A chain of windows has no gaps, so it runs from the smallest up to the longest that is asked for. -#}
        {%- set longest = measure.windows | map(attribute='index') | max -%}
        {%- for name, aggregate, combine in customer_retention._count_partials(measure) + customer_retention._moment_partials(measure)
            + customer_retention._order_partials(measure) + customer_retention._category_partials(measure) -%}
            {%- do made.append({'name': measure.name ~ '__' ~ name, 'aggregate': aggregate, 'combine': combine, 'windows': names[:longest]}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set merges = {'add': 'sum', 'least': 'min', 'greatest': 'max', 'or': 'bit_or', 'first': 'min', 'last': 'max'} -%}
    {%- set partials = [] -%}
    {%- for partial in made -%}
        {%- set carried = declaration.carries and partial.windows | length >= declaration.older_bucket -%}
        {%- do partials.append(dict(partial, merge=merges[partial.combine], carried=carried)) -%}
    {%- endfor -%}
    {{ return(partials) }}
{%- endmacro -%}

{%- macro _buckets(declaration) -%}
-- partial results that can be added up
buckets as {{ customer_retention.materialized_cte() }} (
    select
        row_id,
        -- as an aggregate: DuckDB would test a condition on the key of the group for every pair
        max(bucket) as bucket
        {%- for partial in declaration.partials %},
        {{ partial.aggregate }} as {{ partial.name }}
        {%- endfor %}
    from pairs
    group by row_id, pairs.bucket
),
{%- endmacro -%}

{#-
    The rows, each with `<partial>__older` for all events that had become too old by then. DuckDB joins the other buckets one by
    one where they are cumulated, which beats a second group-by.
-#}
{%- macro _side_by_side(declaration) -%}
    {{ return(adapter.dispatch('_side_by_side', 'customer_retention')(declaration)) }}
{%- endmacro -%}

{%- macro default___side_by_side(declaration) -%}
{%- if declaration.carries %}
-- the rows, each with what had become too old by then
rows_with_older as (
    select
        spine_rows.*
        {%- for partial in declaration.partials if partial.carried %},
        {{ customer_retention._older_total(declaration, partial, 'buckets.' ~ partial.name, 'passing.' ~ partial.name) }} as {{ partial.name }}__older
        {%- endfor %}
    from spine_rows
    left join buckets
        on
            spine_rows.row_id = buckets.row_id
            and buckets.bucket = {{ declaration.older_bucket }}
    {%- if declaration.has_versions %}
    left join buckets as passing
        on
            spine_rows.row_id = passing.row_id
            and passing.bucket = {{ declaration.older_bucket + 1 }}
    {%- endif %}
    {%- if declaration.resumes %}
    left join state_totals on spine_rows.{{ declaration.entity }} = state_totals.{{ declaration.entity }}
    {%- endif %}
    {{ customer_retention._earlier_rows() }}
),
{% endif %}
{%- endmacro -%}

{#- Spark makes a table anew for each of its readers, so here one query reads the buckets, and once: `bucket_<index>.<partial>`. -#}
{%- macro spark___side_by_side(declaration) %}
pivoted as (
    select
        row_id
        {%- for bucket in range(1, declaration.older_bucket + ((2 if declaration.has_versions else 1) if declaration.carries else 0)) %}
        {%- for partial in declaration.partials if bucket < declaration.older_bucket or partial.carried %},
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
        {%- for window in declaration.bounded %},
        named_struct(
            {%- for partial in declaration.partials %}
            '{{ partial.name }}', pivoted.{{ partial.name }}__{{ window.index }}{{ ',' if not loop.last }}
            {%- endfor %}
        ) as bucket_{{ window.index }}
        {%- endfor %}
        {%- for partial in declaration.partials if partial.carried %},
        {{ customer_retention._older_total(declaration, partial, 'pivoted.' ~ partial.name ~ '__' ~ declaration.older_bucket, 'pivoted.' ~ partial.name ~ '__' ~ (declaration.older_bucket + 1)) }} as {{ partial.name }}__older
        {%- endfor %}
    from spine_rows
    left join pivoted on spine_rows.row_id = pivoted.row_id
    {%- if declaration.resumes and declaration.carries %}
    left join state_totals on spine_rows.{{ declaration.entity }} = state_totals.{{ declaration.entity }}
    {%- endif %}
    {{ customer_retention._earlier_rows() if declaration.carries }}
),
{% endmacro -%}

{%- macro _earlier_rows() -%}
    window earlier as (
        partition by spine_rows.entity_number
        order by spine_rows.as_of_us
        rows between unbounded preceding and current row
    )
{%- endmacro -%}
