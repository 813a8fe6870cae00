{#- Private: what aggregates there are, and what a measure needs for its own. -#}

{#- For each aggregate its family, which is a file of this folder, and the kinds of value that it takes. -#}
{%- macro _window_aggregates() -%}
    {%- set numbers, dated, any = ['number'], ['number', 'text'], ['number', 'text', 'boolean'] -%}
    {{ return({
        'count': {'family': 'counts_and_sums', 'kinds': any},
        'sum': {'family': 'counts_and_sums', 'kinds': numbers},
        'mean': {'family': 'counts_and_sums', 'kinds': numbers},
        'min': {'family': 'order_statistics', 'kinds': numbers},
        'max': {'family': 'order_statistics', 'kinds': numbers},
        'variance': {'family': 'moments', 'kinds': numbers},
        'stddev': {'family': 'moments', 'kinds': numbers},
        'slope': {'family': 'moments', 'kinds': numbers},
        'first': {'family': 'order_statistics', 'kinds': dated},
        'last': {'family': 'order_statistics', 'kinds': dated},
        'last_per_mean': {'family': 'order_statistics', 'kinds': numbers},
        'nunique': {'family': 'categories', 'kinds': any},
        'mode': {'family': 'categories', 'kinds': any},
        'entropy': {'family': 'categories', 'kinds': any},
        'any': {'family': 'counts_and_sums', 'kinds': ['boolean']},
        'all': {'family': 'counts_and_sums', 'kinds': ['boolean']},
        'share': {'family': 'counts_and_sums', 'kinds': ['boolean']},
    }) }}
{%- endmacro -%}

{#-
    A measure with everything that its aggregates need. To what `_parts_by_value` gives (`name`, `expression`, `conditions`,
    `aggregates`, `windows`, `windows_by_aggregate`, `type`, `counts_trues`: count is that of the trues, and `argument`, for
    messages) it adds

    - `kind`: number, text or boolean; `is_double`; `is_declared`: with a type; `precision`, `scale` and `is_narrow` (up to 9
      digits) of a decimal
    - `restricted`: the expression where the conditions hold; `value`: the same, as text where values are distinguished as text
    - `has_ticks`, `has_trues`, `has_plain_value`: events have a column with the number in ticks, the boolean, the value
    - `has_values`: values are distinguished; `has_frequencies`: and counted; `has_codes`: the commonest by bits;
      `has_state`: and carried from run to run
    - `needs_count`, `needs_sum`, `needs_min`, `needs_max`, `has_spread`, `has_slope`: partial results;
      `has_large_squares`: a square may take more than 30 digits
-#}
{%- macro _typed_measure(measure, carry_state) -%}
    {%- set aggregates = measure.aggregates -%}
    {%- set kind = customer_retention._kind_of_measure(measure) -%}
    {%- set is_double = measure.type == 'double' -%}
    {%- set decimal = modules.re.match('^decimal\\((\\d+), ?(\\d+)\\)$', measure.type or 'decimal(18, 4)') -%}
    {%- set of_values = aggregates | select('in', ['nunique', 'mode', 'entropy']) | list -%}
    {%- set of_counts = aggregates | select('in', ['count', 'any', 'all', 'share']) | list -%}
    {%- set of_numbers = aggregates | reject('in', of_values + of_counts) | list -%}
    {%- set has_frequencies = 'mode' in aggregates or 'entropy' in aggregates -%}
    {%- set has_spread = 'variance' in aggregates or 'stddev' in aggregates -%}
    {%- set has_averages = has_spread or aggregates | select('in', ['mean', 'slope', 'last_per_mean']) | list | length > 0 -%}
    {%- set value = customer_retention._restricted(measure) -%}
    {{ return(dict(
        measure,
        kind=kind,
        is_double=is_double,
        is_declared=measure.type | default('', true) != '',
        precision=decimal.group(1) | int if decimal else none,
        scale=decimal.group(2) | int if decimal else 0,
        is_narrow=decimal and decimal.group(1) | int <= 9,
        value=customer_retention.to_text(value) if kind == 'text' or has_frequencies else value,
        restricted=value,
        has_ticks=kind == 'number' and of_numbers | length > 0,
        has_trues=kind == 'boolean' and of_counts | length > 0,
        has_plain_value=(kind == 'text' and aggregates | select('in', ['first', 'last', 'count']) | list | length > 0)
            or (kind == 'number' and 'count' in aggregates and not of_numbers),
        has_values=of_values | length > 0,
        has_frequencies=has_frequencies,
        has_codes='nunique' in aggregates and not has_frequencies,
        has_state=carry_state and of_values | length > 0 and 'all_time' in measure.windows | map(attribute='name'),
        has_spread=has_spread,
        has_large_squares=has_spread and decimal and decimal.group(1) | int > 15,
        has_slope='slope' in aggregates,
        needs_count=of_counts | length > 0 or has_averages,
        needs_sum='sum' in aggregates or has_averages,
        needs_min='min' in aggregates or (has_spread and is_double),
        needs_max='max' in aggregates or (has_spread and is_double),
    )) }}
{%- endmacro -%}

{#- Number, text or boolean, as its type says, which must be one for all its aggregates. -#}
{%- macro _kind_of_measure(measure) -%}
    {%- set known_aggregates = customer_retention._window_aggregates() -%}
    {%- set type = measure.type | default('', true) -%}
    {%- set decimal = modules.re.match('^decimal\\((\\d+), ?(\\d+)\\)$', type or 'decimal(18, 4)') -%}
    {%- if type in ['text', 'boolean'] -%}
        {%- set kind = type -%}
    {%- elif type == 'double' -%}
        {%- set kind = 'number' -%}
        {%- if 'slope' in measure.aggregates -%}
            {{ exceptions.raise_compiler_error(
                measure.argument ~ ": aggregate `slope` is not for type double, which does not hold its sums exactly. Declare a decimal, such as 'decimal(18, 6)'."
            ) }}
        {%- endif -%}
    {%- elif not decimal or decimal.group(1) | int > 18 or decimal.group(2) | int > decimal.group(1) | int -%}
        {{ exceptions.raise_compiler_error(
            measure.argument ~ ": type `" ~ type ~ "` must be 'text', 'boolean', 'double' or decimal(p, s) with at most 18 digits, such as 'decimal(18, 4)'."
        ) }}
    {%- elif not type and measure.aggregates | select('in', ['any', 'all', 'share']) | list -%}
        {%- set kind = 'boolean' -%}
    {%- else -%}
        {%- set kind = 'number' -%}
    {%- endif -%}
    {%- for aggregate in measure.aggregates if kind not in known_aggregates[aggregate].kinds -%}
        {{ exceptions.raise_compiler_error(
            measure.argument ~ ": aggregate `" ~ aggregate ~ "` is not for type " ~ (type or kind) ~ ", only for "
            ~ known_aggregates[aggregate].kinds | join(' or ') ~ "."
        ) }}
    {%- endfor -%}
    {{ return(kind) }}
{%- endmacro -%}

{#- The value of a measure where its own conditions hold. -#}
{%- macro _restricted(measure) -%}
    {%- if measure.conditions -%}
        case when ({{ measure.conditions | join(') and (') }}) then {{ measure.expression }} end
    {%- else -%}
        {{ measure.expression }}
    {%- endif -%}
{%- endmacro -%}
