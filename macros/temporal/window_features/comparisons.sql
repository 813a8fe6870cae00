{#- Private: ratios and differences between the windows of one feature. -#}

{#- The comparisons, checked, each with `name` and `expression` of its column. -#}
{%- macro _checked_comparisons(declaration, comparisons) -%}
    {%- set window_counts = {'ratio': 2, 'difference': 2, 'velocity': 2, 'momentum': 2, 'acceleration': 3} -%}
    {%- set checked = [] -%}
    {%- for comparison in comparisons -%}
        {%- set argument = 'comparisons[' ~ loop.index0 ~ ']' -%}
        {%- if comparison is not mapping -%}
            {{ exceptions.raise_compiler_error(argument ~ ": `" ~ comparison ~ "` is not a mapping with of, kind and windows.") }}
        {%- endif -%}
        {%- for key in comparison if key not in ['of', 'kind', 'windows'] -%}
            {{ exceptions.raise_compiler_error(argument ~ ": `" ~ key ~ "` is not known. Allowed: of, kind, windows.") }}
        {%- endfor -%}
        {%- for key in ['of', 'kind', 'windows'] if not comparison[key] -%}
            {{ exceptions.raise_compiler_error(argument ~ ": `" ~ key ~ "` is missing.") }}
        {%- endfor -%}
        {%- if comparison.kind not in window_counts -%}
            {{ exceptions.raise_compiler_error(
                argument ~ ": kind `" ~ comparison.kind ~ "` is not known. Choose from: " ~ window_counts | join(', ') ~ "."
            ) }}
        {%- endif -%}
        {%- set names = comparison.windows -%}
        {%- if names is string or names | length != window_counts[comparison.kind] -%}
            {{ exceptions.raise_compiler_error(
                argument ~ ": " ~ comparison.kind ~ " needs " ~ window_counts[comparison.kind] ~ " windows, not `" ~ names ~ "`."
            ) }}
        {%- endif -%}
        {%- if customer_retention._sorted_windows(names, argument ~ '.windows') | map(attribute='name') | list != names | list -%}
            {{ exceptions.raise_compiler_error(argument ~ ": the windows [" ~ names | join(', ') ~ "] must go from short to long.") }}
        {%- endif -%}
        {%- set operands = [] -%}
        {%- for window in names -%}
            {%- do operands.append(customer_retention._compared_column(declaration, argument, comparison, window)) -%}
        {%- endfor -%}
        {%- do checked.append({
            'name': [declaration.source, comparison.of, comparison.kind] | join('_') ~ '_' ~ names | join('_'),
            'expression': customer_retention._comparison(comparison.kind, *operands),
        }) -%}
    {%- endfor -%}
    {{ return(checked) }}
{%- endmacro -%}

{#- The compared feature in a window: its `value`, and its `rate` per day, where the window has a length. -#}
{%- macro _compared_column(declaration, argument, comparison, window) -%}
    {%- set of, kind = comparison.of, comparison.kind -%}
    {%- set columns = declaration.columns | selectattr('of', 'equalto', of) | selectattr('window', 'equalto', window) | list -%}
    {%- if not columns -%}
        {{ exceptions.raise_compiler_error(
            argument ~ ": there is no `" ~ of ~ "` in the window `" ~ window ~ "`. Name `count` or <measure>_<aggregate> of a declared measure."
        ) }}
    {%- endif -%}
    {%- if not columns[0].is_number -%}
        {{ exceptions.raise_compiler_error(argument ~ ": `" ~ of ~ "` is not a number.") }}
    {%- endif -%}
    {%- set length = declaration.windows | selectattr('name', 'equalto', window) | map(attribute='us') | first -%}
    {%- if kind not in ['ratio', 'difference'] -%}
        {%- if columns[0].aggregate not in ['count', 'sum'] -%}
            {{ exceptions.raise_compiler_error(
                argument ~ ": " ~ kind ~ " compares amounts per day, so it is for count and sum, not for `" ~ of ~ "`."
            ) }}
        {%- endif -%}
        {%- if length is none -%}
            {{ exceptions.raise_compiler_error(argument ~ ": " ~ kind ~ " needs windows with a length, and all_time has none.") }}
        {%- endif -%}
    {%- endif -%}
    {%- set value = 'cast(' ~ columns[0].name ~ ' as double)' -%}
    {{ return({'value': value, 'rate': value ~ ' / ' ~ (length / 86400000000 if length is not none else none) ~ 'e0'}) }}
{%- endmacro -%}

{%- macro _comparison(kind, a, b, c=none) -%}
    {%- if kind == 'ratio' -%}
        {{ a.value }} / nullif({{ b.value }}, 0)
    {%- elif kind == 'difference' -%}
        {{ a.value }} - {{ b.value }}
    {%- elif kind == 'velocity' -%}
        {{ a.rate }} - {{ b.rate }}
    {%- elif kind == 'momentum' -%}
        ({{ a.rate }}) / nullif({{ b.rate }}, 0)
    {%- else -%}
        ({{ a.rate }} - {{ b.rate }}) - ({{ b.rate }} - {{ c.rate }})
    {%- endif -%}
{%- endmacro -%}
