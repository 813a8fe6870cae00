{#- Private: variance, stddev and slope, from exact sums of squares and of products. -#}

{#- Partial results: name, aggregate over pairs, how it is combined. -#}
{%- macro _moment_partials(measure) -%}
    {%- set partials = [] -%}
    {%- set ticks = measure.name ~ '__ticks' -%}
    {%- if measure.has_spread -%}
        {%- set square = customer_retention.square(ticks, measure.precision) if measure.is_narrow else measure.name ~ '__square' -%}
        {%- do partials.append(['squares', 'sum(' ~ square ~ ')', 'add']) -%}
    {%- endif -%}
    {%- if measure.has_spread and (measure.is_double or measure.has_large_squares) -%}
        {%- do partials.append(['square_units', 'sum(' ~ measure.name ~ '__square_unit)', 'add']) -%}
    {%- endif -%}
    {%- if measure.has_spread and measure.is_double -%}
        {%- do partials.append(['square_fractions', 'sum(' ~ measure.name ~ '__square_fraction)', 'add']) -%}
    {%- endif -%}
    {%- if measure.has_slope -%}
        {%- set time = 'case when ' ~ ticks ~ ' is not null then event_s end' -%}
        {%- do partials.append(['times', 'sum(' ~ time ~ ')', 'add']) -%}
        {%- do partials.append(['square_times', 'sum(cast(' ~ time ~ ' as decimal(38, 0)) * event_s)', 'add']) -%}
        {%- do partials.append(['products', 'sum(cast(' ~ ticks ~ ' as decimal(38, 0)) * event_s)', 'add']) -%}
    {%- endif -%}
    {{ return(partials) }}
{%- endmacro -%}

{%- macro _moment(measure, aggregate, window) -%}
    {%- set unit = customer_retention._tick_unit(measure) -%}
    {%- if aggregate == 'slope' -%}
        {{ customer_retention._slope(customer_retention._cumulated_column(measure, window), unit) }}
    {%- else -%}
        {{ customer_retention._spread_of(measure, window, unit, root=aggregate == 'stddev') }}
    {%- endif -%}
{%- endmacro -%}

{#- Sample variance of a window, or its root. -#}
{%- macro _spread_of(measure, window, unit, root) -%}
    {%- set column = customer_retention._cumulated_column(measure, window) -%}
    {%- set count, total = column % 'count', customer_retention._total(measure, window) -%}
    {%- if not measure.is_double -%}
        {%- set squares = column % 'squares' -%}
        {%- set exact = customer_retention._spread(count, column % 'sum', squares, unit, root) -%}
        {%- if not measure.has_large_squares -%}
            {{ return(exact) }}
        {%- endif -%}
        {%- set units = 'cast(' ~ column % 'square_units' ~ ' as double)' -%}
        {%- set sum_of_squares = '(cast(' ~ squares ~ ' as double) + ' ~ units ~ ' * 1e18)' -%}
        {%- set whole = 'cast(cast(' ~ column % 'square_units' ~ ' as decimal(20, 0)) * cast(1000000000000000000 as decimal(19, 0)) + ' ~ squares ~ ' as decimal(38, 0))' -%}
        case
            when {{ units }} = 0 then {{ exact }}
            when {{ sum_of_squares }} < 9.9e37 then {{ customer_retention._spread(count, column % 'sum', whole, unit, root) }}
            when {{ count }} > 1 then {{ customer_retention._spread_of_doubles(count, total, sum_of_squares, unit, root) }}
        end
    {%- else -%}
        {%- set two = customer_retention._fraction_unit() -%}
        {%- set sum_of_squares = '(cast(' ~ column % 'square_units' ~ ' as double) * ' ~ two ~ ' + cast(' ~ column % 'squares' ~ ' as double) + cast('
            ~ column % 'square_fractions' ~ ' as double) / ' ~ two ~ ')' -%}
        case
            when {{ count }} > 1 and {{ column % 'min' }} = {{ column % 'max' }} then 0e0
            when {{ count }} > 1 then {{ customer_retention._spread_of_doubles(count, total, sum_of_squares, unit, root) }}
        end
    {%- endif -%}
{%- endmacro -%}

{#-
    Sample variance, or its root: squared distances from the mean rounded to a whole number m, which are exact, less what
    the rounding adds: sum (x - m)^2 = squares - m * (sum + rest) with rest = sum - n * m. Nothing cancels, and no
    intermediate is greater than the sum of squares.
-#}
{%- macro _spread(count, sum, squares, unit, root) -%}
    {%- set whole = customer_retention._whole_number(38) -%}
    {%- set whole_sum = 'cast(' ~ sum ~ ' as ' ~ whole ~ ')' -%}
    {%- set mean = 'cast(round(cast(' ~ sum ~ ' as double) / cast(' ~ count ~ ' as double)) as ' ~ customer_retention._whole_number(19) ~ ')' -%}
    {%- set rest = '(' ~ whole_sum ~ ' - ' ~ count ~ ' * ' ~ mean ~ ')' -%}
    case
            when {{ count }} > 1
                then {{ 'sqrt(' if root }}(
                    cast(cast({{ squares }} as {{ whole }}) - {{ mean }} * cast({{ whole_sum }} + {{ rest }} as {{ whole }}) as double)
                    - cast({{ rest }} as double) * cast({{ rest }} as double) / cast({{ count }} as double)
                ) / cast({{ count }} - 1 as double){{ ') / ' ~ unit if root else ' / ' ~ unit ~ ' / ' ~ unit }}
        end
{%- endmacro -%}

{#- Null where the squares cancel out but for the last digits. -#}
{%- macro _spread_of_doubles(count, total, squares, unit, root) -%}
    {%- set deviations = '(' ~ squares ~ ' - ' ~ total ~ ' * ' ~ total ~ ' / cast(' ~ count ~ ' as double))' -%}
    case
                when {{ deviations }} > 1e-10 * {{ squares }}
                    then {{ 'sqrt(' if root }}{{ deviations }} / cast({{ count }} - 1 as double){{ ') / ' ~ unit if root else ' / ' ~ unit ~ ' / ' ~ unit }}
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
