{#- Private: count, sum, mean, and any, all, share of booleans. -#}

{#- Partial results: name, aggregate over pairs, how it is combined. -#}
{%- macro _count_partials(measure) -%}
    {%- set partials = [] -%}
    {%- set ticks, flag, value = measure.name ~ '__ticks', measure.name ~ '__true', measure.name ~ '__value' -%}
    {%- if measure.needs_count -%}
        {%- do partials.append(['count', 'count(' ~ (ticks if measure.has_ticks else flag if measure.has_trues else value) ~ ')', 'add']) -%}
    {%- endif -%}
    {%- if measure.has_trues -%}
        {%- do partials.append(['trues', 'count(case when ' ~ flag ~ ' then 1 end)', 'add']) -%}
    {%- endif -%}
    {%- if measure.needs_sum -%}
        {%- set summed = measure.name ~ '__whole' if measure.is_double else ticks -%}
        {%- do partials.append(['sum', 'cast(sum(' ~ ticks ~ ') as bigint)' if measure.is_narrow else 'sum(' ~ summed ~ ')', 'add']) -%}
    {%- endif -%}
    {%- if measure.is_double and measure.needs_sum -%}
        {%- do partials.append(['fraction', 'sum(' ~ measure.name ~ '__fraction)', 'add']) -%}
    {%- endif -%}
    {{ return(partials) }}
{%- endmacro -%}

{%- macro _count_or_sum(measure, aggregate, window) -%}
    {%- set column = customer_retention._cumulated_column(measure, window) -%}
    {%- set count, trues, total = column % 'count', column % 'trues', customer_retention._total(measure, window) -%}
    {%- set unit = customer_retention._tick_unit(measure) -%}
    {%- if aggregate == 'count' -%}
        cast({{ trues if measure.counts_trues else count }} as bigint)
    {%- elif aggregate == 'sum' -%}
        {{ total }} / {{ unit }}
    {%- elif aggregate == 'mean' -%}
        case when {{ count }} > 0 then {{ total }} / {{ unit }} / cast({{ count }} as double) end
    {%- elif aggregate == 'any' -%}
        {{ trues }} > 0
    {%- elif aggregate == 'all' -%}
        case when {{ count }} > 0 then {{ trues }} = {{ count }} end
    {%- else -%}
        case when {{ count }} > 0 then cast({{ trues }} as double) / cast({{ count }} as double) end
    {%- endif -%}
{%- endmacro -%}

{#- The sum of a window in ticks, as a double. -#}
{%- macro _total(measure, window) -%}
    {%- set column = customer_retention._cumulated_column(measure, window) -%}
    {%- if measure.is_double -%}
        (cast({{ column % 'sum' }} as double) + cast({{ column % 'fraction' }} as double) / {{ customer_retention._fraction_unit() }})
    {%- else -%}
        cast({{ column % 'sum' }} as double)
    {%- endif -%}
{%- endmacro -%}
