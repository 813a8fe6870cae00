{#- Private: min, max, and first, last, last_per_mean, which are the smallest and the greatest by time. -#}

{#- Partial results: name, aggregate over pairs, how it is combined. -#}
{%- macro _order_partials(measure) -%}
    {%- set partials = [] -%}
    {%- set ticks = measure.name ~ '__ticks' -%}
    {%- set seen = ticks if measure.kind == 'number' else measure.name ~ '__value' -%}
    {%- set dated = 'case when ' ~ seen ~ ' is not null then '
        ~ customer_retention.struct_of({'event_us': 'event_us', 'known_us': 'known_us', 'seen': seen}) ~ ' end' -%}
    {%- if measure.needs_min -%}
        {%- do partials.append(['min', 'min(' ~ ticks ~ ')', 'least']) -%}
    {%- endif -%}
    {%- if measure.needs_max -%}
        {%- do partials.append(['max', 'max(' ~ ticks ~ ')', 'greatest']) -%}
    {%- endif -%}
    {%- if 'first' in measure.aggregates -%}
        {%- do partials.append(['first', 'min(' ~ dated ~ ')', 'first']) -%}
    {%- endif -%}
    {%- if 'last' in measure.aggregates or 'last_per_mean' in measure.aggregates -%}
        {%- do partials.append(['last', 'max(' ~ dated ~ ')', 'last']) -%}
    {%- endif -%}
    {{ return(partials) }}
{%- endmacro -%}

{%- macro _order_statistic(measure, aggregate, window) -%}
    {%- set column = customer_retention._cumulated_column(measure, window) -%}
    {%- set unit = customer_retention._tick_unit(measure) -%}
    {%- if aggregate in ('min', 'max') -%}
        cast({{ column % aggregate }} as double) / {{ unit }}
    {%- elif aggregate == 'last_per_mean' -%}
        cast({{ column % 'last' }}.seen as double) / nullif({{ customer_retention._total(measure, window) }} / cast(nullif({{ column % 'count' }}, 0) as double), 0)
    {%- elif measure.kind == 'number' -%}
        cast({{ column % aggregate }}.seen as double) / {{ unit }}
    {%- else -%}
        cast({{ column % aggregate }}.seen as {{ dbt.type_string() }})
    {%- endif -%}
{%- endmacro -%}
