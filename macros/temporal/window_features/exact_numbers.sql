{#-
    Private: numbers of `window_features`. A decimal is added as whole ticks. A double is added as its whole part and its fraction,
    which are whole numbers as well when the fraction is counted in 2^-100: so sums are the same in any order.
-#}

{#- A value as it is added; what cannot be added exactly ends the query with a message. -#}
{%- macro _checked_number(measure, value) -%}
    {%- set number = 'cast(' ~ value ~ ' as double)' -%}
    {%- set hint = ' Put such rows into quarantine, or ' -%}
    {%- if measure.is_double -%}
        {%- set text = measure.argument ~ ': a value is NaN, infinite or beyond 1e30.' ~ hint ~ 'leave them out with `where`.' -%}
        case
            when not abs({{ number }}) < 1e30 or {{ number }} <> {{ number }} then {{ customer_retention.raise_error(text, 'double') }}
            -- there are two zeros
            when {{ number }} = 0 then 0e0
            else {{ number }}
        end
    {%- else -%}
        {%- set type = 'decimal(' ~ measure.precision ~ ', ' ~ measure.scale ~ ')' -%}
        {%- set tick_type = 'integer' if measure.is_narrow else 'decimal(18, 0)' -%}
        {%- set fits = 'try_cast(' ~ value ~ ' as ' ~ type ~ ')' -%}
        {%- set too_large = measure.argument ~ ': a value is NaN, infinite or too large for ' ~ type ~ '.' ~ hint ~ 'declare another `type`, such as double.' -%}
        {%- set too_fine = measure.argument ~ ': a value has more than ' ~ measure.scale ~ ' decimals, and would be rounded. Declare a `type`: double, or the decimal that is meant.' -%}
        case
            when {{ value }} is not null and {{ fits }} is null then {{ customer_retention.raise_error(too_large, tick_type) }}
            {%- if not measure.is_declared %}
            when abs({{ number }} - cast({{ fits }} as double)) > 1e-12 * abs({{ number }}) then {{ customer_retention.raise_error(too_fine, tick_type) }}
            {%- endif %}
            else {{ customer_retention.ticks(value, measure.precision, measure.scale) }}
        end
    {%- endif -%}
{%- endmacro -%}

{#- What a tick is a part of: 10^scale, as a double. -#}
{%- macro _tick_unit(measure) -%}
    {{ return((10 ** measure.scale) ~ '.0') }}
{%- endmacro -%}

{#- A type for whole numbers of up to so many digits that are multiplied and subtracted; DuckDB is quicker with integers. -#}
{%- macro _whole_number(digits) -%}
    {{ return(adapter.dispatch('_whole_number', 'customer_retention')(digits)) }}
{%- endmacro -%}

{%- macro default___whole_number(digits) -%}
    hugeint
{%- endmacro -%}

{%- macro spark___whole_number(digits) -%}
    decimal({{ digits }}, 0)
{%- endmacro -%}

{#- 2^100 -#}
{%- macro _fraction_unit() -%}
    {{ return('1267650600228229401496703205376e0') }}
{%- endmacro -%}

{#- Columns of an event that are added up, beside its ticks. -#}
{%- macro _added_columns(measure) -%}
    {%- set value = 'timed_events.' ~ measure.name ~ '__ticks' -%}
    {%- set unit = customer_retention._fraction_unit() -%}
    {%- set columns = [] -%}
    {%- if measure.is_double and measure.needs_sum -%}
        {%- do columns.append({'name': 'whole', 'expression': 'cast(' ~ value ~ ' - ' ~ value ~ ' % 1 as decimal(38, 0))'}) -%}
        {%- do columns.append({'name': 'fraction', 'expression': 'cast(' ~ value ~ ' % 1 * ' ~ unit ~ ' as decimal(38, 0))'}) -%}
    {%- endif -%}
    {%- if measure.is_double and measure.has_spread -%}
        {%- set square = '(' ~ value ~ ' * ' ~ value ~ ')' -%}
        {%- do columns.append({'name': 'square_unit', 'expression': 'cast(' ~ square ~ ' / ' ~ unit ~ ' - ' ~ square ~ ' / ' ~ unit ~ ' % 1 as decimal(38, 0))'}) -%}
        {%- do columns.append({'name': 'square', 'expression': 'cast(' ~ square ~ ' % ' ~ unit ~ ' - ' ~ square ~ ' % 1 as decimal(38, 0))'}) -%}
        {%- do columns.append({'name': 'square_fraction', 'expression': 'cast(' ~ square ~ ' % 1 * ' ~ unit ~ ' as decimal(38, 0))'}) -%}
    {%- elif measure.has_spread and not measure.is_narrow -%}
        {%- set square = customer_retention.square(value, measure.precision) -%}
        {%- if measure.has_large_squares -%}
            {#- t = 10^9 h + l, so t^2 = 10^18 h^2 + l (t + 10^9 h): sums of both parts fit, however many there are. -#}
            {%- set ticks = 'cast(' ~ value ~ ' as bigint)' -%}
            {%- set high = customer_retention.floor_divide(ticks, 1000000000) -%}
            {%- set is_large = 'abs(' ~ value ~ ') >= 1000000000000000' -%}
            {%- do columns.append({'name': 'square_unit', 'expression': 'case when ' ~ is_large ~ ' then cast(' ~ high ~ ' * ' ~ high ~ ' as decimal(38, 0)) end'}) -%}
            {%- set square = 'case when ' ~ is_large ~ ' then cast(cast(' ~ ticks ~ ' - ' ~ high ~ ' * 1000000000 as decimal(18, 0)) * cast('
                ~ ticks ~ ' + ' ~ high ~ ' * 1000000000 as decimal(19, 0)) as decimal(38, 0)) else ' ~ square ~ ' end' -%}
        {%- endif -%}
        {%- do columns.append({'name': 'square', 'expression': square}) -%}
    {%- endif -%}
    {{ return(columns) }}
{%- endmacro -%}
