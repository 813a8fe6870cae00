{#- Private: what `window_features` is asked for, checked and completed. -#}

{#- Windows by length, each with its index, name and microseconds (none for all_time). -#}
{%- macro _sorted_windows(windows, argument='windows') -%}
    {%- if windows is string or windows is mapping or not windows -%}
        {{ exceptions.raise_compiler_error(argument ~ ": give a list such as ['7d', '30d', 'all_time'], not `" ~ windows ~ "`.") }}
    {%- endif -%}
    {%- if windows | unique | list | length != windows | length -%}
        {{ exceptions.raise_compiler_error(argument ~ ": a window stands twice in [" ~ windows | join(', ') ~ "].") }}
    {%- endif -%}
    {%- set lengths = [] -%}
    {%- for window in windows if window != 'all_time' -%}
        {%- do lengths.append({'us': customer_retention.duration_us(window, argument), 'name': window}) -%}
    {%- endfor -%}
    {%- if lengths | map(attribute='us') | unique | list | length != lengths | length or 0 in lengths | map(attribute='us') -%}
        {{ exceptions.raise_compiler_error(
            argument ~ ": windows must have different lengths above zero, not [" ~ windows | join(', ') ~ "]."
        ) }}
    {%- endif -%}
    {%- set sorted = [] -%}
    {%- for window in lengths | sort(attribute='us') -%}
        {%- do sorted.append({'index': loop.index, 'name': window.name, 'us': window.us}) -%}
    {%- endfor -%}
    {%- if 'all_time' in windows -%}
        {%- do sorted.append({'index': sorted | length + 1, 'name': 'all_time', 'us': none}) -%}
    {%- endif -%}
    {{ return(sorted) }}
{%- endmacro -%}

{#- Measures with every key set: windows resolved, precision and scale read, needs derived. -#}
{%- macro _checked_measures(source, measures, windows) -%}
    {%- set known_keys = ['name', 'expression', 'aggregates', 'windows', 'where', 'type'] -%}
    {%- set known_aggregates = ['sum', 'mean', 'min', 'max', 'stddev', 'nunique'] -%}
    {%- set name_pattern = '^[a-z][a-z0-9_]*$' -%}
    {%- if not modules.re.match(name_pattern, source | string) -%}
        {{ exceptions.raise_compiler_error("source: `" ~ source ~ "` is not a name. Use lower-case letters, digits and underscores.") }}
    {%- endif -%}
    {%- set checked = [] -%}
    {%- set names = [] -%}
    {%- for measure in measures -%}
        {%- if measure is not mapping -%}
            {{ exceptions.raise_compiler_error("measures: `" ~ measure ~ "` is not a mapping with name, expression and aggregates.") }}
        {%- endif -%}
        {%- set where_it_is = 'measures[' ~ (measure.name | default(loop.index0)) ~ ']' -%}
        {%- for key in measure if key not in known_keys -%}
            {{ exceptions.raise_compiler_error(where_it_is ~ ": `" ~ key ~ "` is not known. Allowed: " ~ known_keys | join(', ') ~ ".") }}
        {%- endfor -%}
        {%- for key in ['name', 'expression', 'aggregates'] if not measure[key] -%}
            {{ exceptions.raise_compiler_error(where_it_is ~ ": `" ~ key ~ "` is missing.") }}
        {%- endfor -%}
        {%- if not modules.re.match(name_pattern, measure.name) or '__' in measure.name -%}
            {{ exceptions.raise_compiler_error(
                where_it_is ~ ": the name must be lower-case letters, digits and single underscores."
            ) }}
        {%- endif -%}
        {%- if measure.name in names -%}
            {{ exceptions.raise_compiler_error("measures: the name `" ~ measure.name ~ "` stands twice; its columns would collide.") }}
        {%- endif -%}
        {%- do names.append(measure.name) -%}
        {%- if measure.aggregates is string -%}
            {{ exceptions.raise_compiler_error(where_it_is ~ ": `aggregates` must be a list, such as ['" ~ measure.aggregates ~ "'].") }}
        {%- endif -%}
        {%- for aggregate in measure.aggregates if aggregate not in known_aggregates -%}
            {{ exceptions.raise_compiler_error(
                where_it_is ~ ": aggregate `" ~ aggregate ~ "` is not known. Choose from: " ~ known_aggregates | join(', ') ~ "."
            ) }}
        {%- endfor -%}
        {%- if measure.aggregates | unique | list | length != measure.aggregates | length -%}
            {{ exceptions.raise_compiler_error(where_it_is ~ ": an aggregate stands twice in [" ~ measure.aggregates | join(', ') ~ "].") }}
        {%- endif -%}
        {%- set type = modules.re.match('^decimal\\((\\d+), ?(\\d+)\\)$', measure.type | default('decimal(18, 4)')) -%}
        {%- if not type or type.group(1) | int > 18 or type.group(2) | int > type.group(1) | int -%}
            {{ exceptions.raise_compiler_error(
                where_it_is ~ ": type `" ~ measure.type ~ "` must be decimal(p, s) with at most 18 digits, such as 'decimal(18, 4)'."
            ) }}
        {%- endif -%}
        {%- set asked = measure.windows | default(none) -%}
        {%- if asked -%}
            {%- do customer_retention._sorted_windows(asked, where_it_is ~ '.windows') -%}
            {%- for window in asked if window not in windows | map(attribute='name') -%}
                {{ exceptions.raise_compiler_error(
                    where_it_is ~ ": window `" ~ window ~ "` is not among [" ~ windows | map(attribute='name') | join(', ') ~ "]."
                ) }}
            {%- endfor -%}
        {%- endif -%}
        {%- set numeric = measure.aggregates | reject('equalto', 'nunique') | list -%}
        {%- do checked.append({
            'name': measure.name,
            'expression': measure.expression,
            'where': measure.where | default(none),
            'aggregates': measure.aggregates,
            'windows': windows | selectattr('name', 'in', asked) | list if asked else windows,
            'precision': type.group(1) | int,
            'scale': type.group(2) | int,
            'is_numeric': numeric | length > 0,
            'has_stddev': 'stddev' in numeric,
            'has_nunique': 'nunique' in measure.aggregates,
            'needs_count': 'mean' in numeric or 'stddev' in numeric,
            'needs_sum': 'sum' in numeric or 'mean' in numeric or 'stddev' in numeric,
        }) -%}
    {%- endfor -%}
    {#- A measure called count, or such as `x_sum` beside `x`, could spell another column's name. -#}
    {%- set outputs = [] -%}
    {%- for window in windows -%}{%- do outputs.append('count_' ~ window.name) -%}{%- endfor -%}
    {%- do outputs.extend(['days_since_last', 'days_since_first', 'mean_gap_days']) -%}
    {%- for measure in checked -%}
        {%- for aggregate in measure.aggregates -%}
            {%- for window in measure.windows -%}
                {%- set output = measure.name ~ '_' ~ aggregate ~ '_' ~ window.name -%}
                {%- if output in outputs -%}
                    {{ exceptions.raise_compiler_error("measures: the column `" ~ source ~ '_' ~ output ~ "` would be made twice.") }}
                {%- endif -%}
                {%- do outputs.append(output) -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(checked) }}
{%- endmacro -%}
