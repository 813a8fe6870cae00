{#- Private: nunique, mode and entropy. -#}

{#- Partial results: name, aggregate over pairs, how it is combined. -#}
{%- macro _category_partials(measure) -%}
    {{ return([['bits', 'bit_or(' ~ measure.name ~ '__bit)', 'or']] if measure.has_codes else []) }}
{%- endmacro -%}

{%- macro _category_statistic(measure, aggregate, window) -%}
    {%- set by_row = measure.name ~ '__by_row.%s__' ~ window -%}
    {%- if aggregate == 'nunique' -%}
        {{ customer_retention.bit_count(customer_retention._cumulated_column(measure, window) % 'bits') ~ ' + ' if measure.has_codes -}}
        cast(coalesce({{ by_row % 'nunique' }}, 0) as bigint)
    {%- elif aggregate == 'mode' -%}
        {{ by_row % 'mode' }}.seen
    {%- else -%}
        {%- set total, most, logs = by_row % 'total', by_row % 'most', by_row % 'logs' -%}
        case
            when {{ total }} = {{ most }} and {{ total }} > 0 then cast(0 as double)
            when {{ total }} > 0 then ln(cast({{ total }} as double)) - cast({{ logs }} as double) / cast({{ total }} as double)
        end
    {%- endif -%}
{%- endmacro -%}

{#- The bits that stand for the commonest values. -#}
{%- macro _value_codes(declaration, measure) -%}
-- the values of {{ measure.name }}, the commonest first
{{ measure.name }}__values as {{ customer_retention.materialized_cte() }} (
    select
        seen,
        row_number() over (order by count(*) desc, seen) - 1 as code
    from (
        select {{ measure.name }}__value as seen
        from timed_events
        {%- if declaration.resumes and measure.has_state %}
        union all
        select seen from {{ measure.name }}__of_state
        {%- endif %}
    ) as all_values
    where seen is not null
    group by seen
),

-- 63 of them become bits of an integer, the others are distinguished one by one; the limit tells the planner how few there are
{{ measure.name }}__codes as {{ customer_retention.materialized_cte() }} (
    select
        seen,
        {{ customer_retention.shift_left_one('code') }} as bit
    from {{ measure.name }}__values
    where code < 63
    limit 63
),
{% endmacro -%}

