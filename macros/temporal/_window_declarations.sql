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

{#- Which kinds of value an aggregate takes. -#}
{%- macro _window_aggregates() -%}
    {{ return({
        'count': ['number', 'text', 'boolean'],
        'sum': ['number'],
        'mean': ['number'],
        'min': ['number'],
        'max': ['number'],
        'variance': ['number'],
        'stddev': ['number'],
        'slope': ['number'],
        'first': ['number', 'text'],
        'last': ['number', 'text'],
        'last_per_mean': ['number'],
        'nunique': ['number', 'text', 'boolean'],
        'mode': ['number', 'text', 'boolean'],
        'entropy': ['number', 'text', 'boolean'],
        'any': ['boolean'],
        'all': ['boolean'],
        'share': ['boolean'],
    }) }}
{%- endmacro -%}

{#- Measures with every key set, and those with `values` taken apart into one for each value. -#}
{%- macro _checked_measures(source, measures, windows) -%}
    {%- set known_keys = ['name', 'expression', 'aggregates', 'windows', 'where', 'type', 'by', 'values'] -%}
    {%- set known_aggregates = customer_retention._window_aggregates() -%}
    {%- set name_pattern = '^[a-z][a-z0-9_]*$' -%}
    {%- if not modules.re.match(name_pattern, source | string) -%}
        {{ exceptions.raise_compiler_error("source: `" ~ source ~ "` is not a name. Use lower-case letters, digits and underscores.") }}
    {%- endif -%}
    {%- set checked = [] -%}
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
        {%- set asked = measure.windows | default(none) -%}
        {%- if asked -%}
            {%- do customer_retention._sorted_windows(asked, where_it_is ~ '.windows') -%}
            {%- for window in asked if window not in windows | map(attribute='name') -%}
                {{ exceptions.raise_compiler_error(
                    where_it_is ~ ": window `" ~ window ~ "` is not among [" ~ windows | map(attribute='name') | join(', ') ~ "]."
                ) }}
            {%- endfor -%}
        {%- endif -%}
        {%- if 'values' in measure and not measure.get('values') -%}
            {{ exceptions.raise_compiler_error(where_it_is ~ ": `values` is empty; list the categories to tell apart.") }}
        {%- endif -%}
        {%- if measure.by is defined and not measure.get('values') -%}
            {{ exceptions.raise_compiler_error(where_it_is ~ ": `by` needs `values`, the list of categories to tell apart.") }}
        {%- endif -%}
        {%- set whole = {
            'name': measure.name,
            'expression': measure.expression,
            'conditions': [measure.where] if measure.where else [],
            'aggregates': measure.aggregates,
            'windows': windows | selectattr('name', 'in', asked) | list if asked else windows,
            'type': measure.type | default(none),
            'counts_trues': false,
            'where_it_is': where_it_is,
        } -%}
        {%- if not measure.get('values') -%}
            {%- do checked.append(customer_retention._typed_measure(whole)) -%}
        {%- elif measure.by is defined -%}
            {%- for value in customer_retention._named_values(where_it_is, measure.get('values')) -%}
                {%- set is_it = customer_retention.to_text(measure.by) ~ ' = ' ~ customer_retention.text_literal(value.value) -%}
                {%- set part = dict(whole, name=measure.name ~ '_' ~ value.name, conditions=whole.conditions + [is_it]) -%}
                {%- do checked.append(customer_retention._typed_measure(part)) -%}
            {%- endfor -%}
        {%- else -%}
            {%- set per_value = measure.aggregates | select('in', ['count', 'share']) | list -%}
            {%- set together = measure.aggregates | reject('in', per_value) | list -%}
            {%- if not per_value -%}
                {{ exceptions.raise_compiler_error(where_it_is ~ ": `values` without `by` are for the aggregates count and share.") }}
            {%- endif -%}
            {%- if together -%}
                {%- do checked.append(customer_retention._typed_measure(dict(whole, aggregates=together))) -%}
            {%- endif -%}
            {%- for value in customer_retention._named_values(where_it_is, measure.get('values')) -%}
                {%- set is_it = customer_retention.to_text(measure.expression) ~ ' = ' ~ customer_retention.text_literal(value.value) -%}
                {%- do checked.append(customer_retention._typed_measure(dict(
                    whole, name=measure.name ~ '_' ~ value.name, expression=is_it, aggregates=per_value, type='boolean',
                    counts_trues=true
                ))) -%}
            {%- endfor -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for measure in checked if checked | selectattr('name', 'equalto', measure.name) | list | length > 1 -%}
        {{ exceptions.raise_compiler_error("measures: the name `" ~ measure.name ~ "` stands twice; its columns would collide.") }}
    {%- endfor -%}
    {{ return(checked) }}
{%- endmacro -%}

{#- The values of a category, each with the name that stands for it in columns. -#}
{%- macro _named_values(where_it_is, values) -%}
    {%- if values is string -%}
        {{ exceptions.raise_compiler_error(where_it_is ~ ": `values` must be a list, such as ['" ~ values ~ "'], or a mapping from name to value.") }}
    {%- endif -%}
    {%- set named = [] -%}
    {%- for key in values -%}
        {%- set value = values[key] if values is mapping else key -%}
        {%- set name = key | string -%}
        {%- if values is not mapping -%}
            {%- set name = modules.re.sub('[^a-z0-9]+', '_', name | lower).strip('_') -%}
        {%- endif -%}
        {%- if not modules.re.match('^[a-z0-9]+(_[a-z0-9]+)*$', name) -%}
            {{ exceptions.raise_compiler_error(
                where_it_is ~ ".values: `" ~ key ~ "` makes no column name. Name it yourself: values: {'a_name': '" ~ value ~ "'}."
            ) }}
        {%- endif -%}
        {%- for other in named if other.name == name -%}
            {{ exceptions.raise_compiler_error(
                where_it_is ~ ".values: `" ~ other.value ~ "` and `" ~ value ~ "` both become `" ~ name
                ~ "`. Name them yourself: values: {'a_name': '" ~ value ~ "'}."
            ) }}
        {%- endfor -%}
        {%- do named.append({'name': name, 'value': value}) -%}
    {%- endfor -%}
    {{ return(named) }}
{%- endmacro -%}

{#- A measure with its kind (number, text, boolean) and the columns of the events that its aggregates need. -#}
{%- macro _typed_measure(measure) -%}
    {%- set aggregates = measure.aggregates -%}
    {%- set known_aggregates = customer_retention._window_aggregates() -%}
    {%- set text = measure.type | default('', true) -%}
    {%- set decimal = modules.re.match('^decimal\\((\\d+), ?(\\d+)\\)$', text or 'decimal(18, 4)') -%}
    {%- if text in ['text', 'boolean'] -%}
        {%- set kind = text -%}
    {%- elif text == 'double' -%}
        {%- set kind = 'number' -%}
        {%- if 'slope' in aggregates -%}
            {{ exceptions.raise_compiler_error(
                measure.where_it_is ~ ": aggregate `slope` is not for type double, which does not hold its sums exactly. Declare a decimal, such as 'decimal(18, 6)'."
            ) }}
        {%- endif -%}
    {%- elif not decimal or decimal.group(1) | int > 18 or decimal.group(2) | int > decimal.group(1) | int -%}
        {{ exceptions.raise_compiler_error(
            measure.where_it_is ~ ": type `" ~ text ~ "` must be 'text', 'boolean', 'double' or decimal(p, s) with at most 18 digits, such as 'decimal(18, 4)'."
        ) }}
    {%- elif not text and aggregates | select('in', ['any', 'all', 'share']) | list -%}
        {%- set kind = 'boolean' -%}
    {%- else -%}
        {%- set kind = 'number' -%}
    {%- endif -%}
    {%- for aggregate in aggregates if kind not in known_aggregates[aggregate] -%}
        {{ exceptions.raise_compiler_error(
            measure.where_it_is ~ ": aggregate `" ~ aggregate ~ "` is not for type " ~ (text or kind) ~ ", only for "
            ~ known_aggregates[aggregate] | join(' or ') ~ "."
        ) }}
    {%- endfor -%}
    {%- set needs = namespace(value=false) -%}
    {%- set of_numbers = aggregates | select('in', ['sum', 'mean', 'min', 'max', 'variance', 'stddev', 'slope', 'first', 'last', 'last_per_mean']) | list -%}
    {%- set of_values = aggregates | select('in', ['nunique', 'mode', 'entropy']) | list -%}
    {%- set of_counts = aggregates | select('in', ['count', 'any', 'all', 'share']) | list -%}
    {%- set is_spread = 'variance' in aggregates or 'stddev' in aggregates -%}
    {{ return(dict(
        measure,
        kind=kind,
        is_double=text == 'double',
        is_declared=text != '',
        precision=decimal.group(1) | int if decimal else none,
        scale=decimal.group(2) | int if decimal else 0,
        is_narrow=decimal and decimal.group(1) | int <= 9,
        has_ticks=kind == 'number' and of_numbers | length > 0,
        has_trues=kind == 'boolean' and of_counts | length > 0,
        has_plain_value=(kind == 'text' and aggregates | select('in', ['first', 'last', 'count']) | list | length > 0)
            or (kind == 'number' and 'count' in aggregates and not of_numbers),
        has_values=of_values | length > 0,
        has_frequencies='mode' in aggregates or 'entropy' in aggregates,
        has_codes='nunique' in aggregates and 'mode' not in aggregates and 'entropy' not in aggregates,
        has_state=false,
        has_spread=is_spread,
        has_large_squares=is_spread and decimal and decimal.group(1) | int > 15,
        has_slope='slope' in aggregates,
        needs_count=of_counts | length > 0 or is_spread or aggregates | select('in', ['mean', 'slope', 'last_per_mean']) | list | length > 0,
        needs_sum=is_spread or aggregates | select('in', ['sum', 'mean', 'slope', 'last_per_mean']) | list | length > 0,
    )) }}
{%- endmacro -%}

{#- Everything that the query of `window_features` is made from. -#}
{%- macro _window_declaration(
    source, measures, windows, recency, rhythm, comparisons, incremental, carry_state, definition, superseded_at=none
) -%}
    {%- set usual = ['24h', '7d', '30d', '90d', '180d', '365d', 'all_time'] -%}
    {%- set windows = customer_retention._sorted_windows(windows or var('windows', usual)) -%}
    {%- if incremental not in [none, 'new_rows', 'changed_rows'] -%}
        {{ exceptions.raise_compiler_error("incremental: choose 'new_rows' or 'changed_rows', not `" ~ incremental ~ "`.") }}
    {%- endif -%}
    {%- if carry_state not in [true, false] -%}
        {{ exceptions.raise_compiler_error("carry_state: say true or false, not `" ~ carry_state ~ "`.") }}
    {%- endif -%}
    {%- set has_versions = superseded_at is not none -%}
    {%- set definition = definition + [measures, windows, recency, rhythm, comparisons] + ([superseded_at] if has_versions else []) -%}
    {%- set has_fingerprint = incremental == 'changed_rows' -%}
    {%- set measures = customer_retention._checked_measures(source, measures, windows) -%}
    {%- set cadence = customer_retention._cadence() -%}
    {%- set known_rhythms = ['active_days', 'gap_stddev_days', 'longest_streak_days', 'current_streak_days'] + cadence | list -%}
    {%- if rhythm is string -%}
        {{ exceptions.raise_compiler_error("rhythm: give a list, such as ['" ~ rhythm ~ "'].") }}
    {%- endif -%}
    {%- for feature in rhythm if feature not in known_rhythms -%}
        {{ exceptions.raise_compiler_error("rhythm: `" ~ feature ~ "` is not known. Choose from: " ~ known_rhythms | join(', ') ~ ".") }}
    {%- endfor -%}
    {%- if rhythm | unique | list | length != rhythm | length -%}
        {{ exceptions.raise_compiler_error("rhythm: a feature stands twice in [" ~ rhythm | join(', ') ~ "].") }}
    {%- endif -%}
    {%- set bounded = windows | rejectattr('us', 'none') | list -%}
    {%- set has_all_time = windows | length > bounded | length -%}
    {%- set has_recency = recency or cadence.items() | selectattr('1.of_recency') | map('first') | select('in', rhythm) | list | length > 0 -%}
    {%- set has_visits = cadence.items() | selectattr('1.of_gaps') | map('first') | select('in', rhythm) | list | length > 0 -%}
    {%- set has_streaks = 'longest_streak_days' in rhythm or 'current_streak_days' in rhythm -%}
    {%- set carries = has_all_time or has_recency or has_fingerprint -%}
    {%- set event_columns, pair_columns = [], [] -%}
    {%- for measure in measures -%}
        {%- set value = customer_retention._restricted(measure) -%}
        {%- if measure.kind == 'text' or measure.has_frequencies -%}
            {%- do measure.update({'value': customer_retention.to_text(value)}) -%}
        {%- else -%}
            {%- do measure.update({'value': value}) -%}
        {%- endif -%}
        {%- if measure.has_ticks -%}
            {%- do event_columns.append({'name': measure.name ~ '__ticks', 'expression': customer_retention._checked_number(measure, value)}) -%}
            {%- do pair_columns.append(event_columns[-1]) -%}
        {%- endif -%}
        {%- if measure.has_trues -%}
            {%- do event_columns.append({'name': measure.name ~ '__true', 'expression': value}) -%}
            {%- do pair_columns.append(event_columns[-1]) -%}
        {%- endif -%}
        {%- if measure.has_values or measure.has_plain_value -%}
            {%- do event_columns.append({'name': measure.name ~ '__value', 'expression': measure.value}) -%}
            {%- if measure.has_plain_value -%}
                {%- do pair_columns.append(event_columns[-1]) -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if has_fingerprint -%}
        {%- set parts = ['event_us', 'known_us'] + event_columns | map(attribute='name') | list -%}
        {%- do event_columns.append({'name': 'fingerprint', 'hashed': parts}) -%}
        {%- do pair_columns.append(event_columns[-1]) -%}
    {%- endif -%}
    {%- set asked = {
        'definition': local_md5(tojson(definition))[:8],
        'has_fingerprint': has_fingerprint,
        'source': source,
        'windows': windows,
        'bounded': bounded,
        'has_all_time': has_all_time,
        'carries': carries,
        'longest_us': bounded[-1].us if bounded else none,
        'older_bucket': bounded | length + 1,
        'recency': recency,
        'has_recency': has_recency,
        'rhythm': rhythm,
        'has_streaks': has_streaks,
        'has_visits': has_visits,
        'has_days': 'active_days' in rhythm or has_streaks or has_visits,
        'has_windows_of_days': 'active_days' in rhythm or has_versions,
        'has_versions': has_versions,
        'measures': measures,
        'has_slope': measures | selectattr('has_slope') | list | length > 0,
        'event_columns': event_columns,
        'pair_columns': pair_columns,
        'has_state': false,
        'resumes': false,
    } -%}
    {%- do asked.update({'partials': customer_retention._window_partials(asked)}) -%}
    {%- if carry_state -%}
        {%- do asked.update(customer_retention._declared_state(asked, incremental)) -%}
    {%- endif -%}
    {%- do asked.update({'columns': customer_retention._window_columns(asked)}) -%}
    {%- do asked.update({'comparisons': customer_retention._window_comparisons(asked, comparisons)}) -%}
    {%- set names = [] -%}
    {%- for column in asked.columns + asked.comparisons -%}
        {%- if column.name in names -%}
            {{ exceptions.raise_compiler_error("measures: the column `" ~ column.name ~ "` would be made twice.") }}
        {%- endif -%}
        {%- do names.append(column.name) -%}
    {%- endfor -%}
    {{ return(asked) }}
{%- endmacro -%}

{#- The value of a measure where its own conditions hold. -#}
{%- macro _restricted(measure) -%}
    {%- if measure.conditions -%}
        case when ({{ measure.conditions | join(') and (') }}) then {{ measure.expression }} end
    {%- else -%}
        {{ measure.expression }}
    {%- endif -%}
{%- endmacro -%}

{#- Ratios and differences between the windows of one feature. -#}
{%- macro _window_comparisons(asked, comparisons) -%}
    {%- set kinds = {'ratio': 2, 'difference': 2, 'velocity': 2, 'momentum': 2, 'acceleration': 3} -%}
    {%- set made = [] -%}
    {%- for comparison in comparisons -%}
        {%- set where_it_is = 'comparisons[' ~ loop.index0 ~ ']' -%}
        {%- if comparison is not mapping -%}
            {{ exceptions.raise_compiler_error(where_it_is ~ ": `" ~ comparison ~ "` is not a mapping with of, kind and windows.") }}
        {%- endif -%}
        {%- for key in comparison if key not in ['of', 'kind', 'windows'] -%}
            {{ exceptions.raise_compiler_error(where_it_is ~ ": `" ~ key ~ "` is not known. Allowed: of, kind, windows.") }}
        {%- endfor -%}
        {%- for key in ['of', 'kind', 'windows'] if not comparison[key] -%}
            {{ exceptions.raise_compiler_error(where_it_is ~ ": `" ~ key ~ "` is missing.") }}
        {%- endfor -%}
        {%- if comparison.kind not in kinds -%}
            {{ exceptions.raise_compiler_error(
                where_it_is ~ ": kind `" ~ comparison.kind ~ "` is not known. Choose from: " ~ kinds | join(', ') ~ "."
            ) }}
        {%- endif -%}
        {%- set names = comparison.windows -%}
        {%- if names is string or names | length != kinds[comparison.kind] -%}
            {{ exceptions.raise_compiler_error(
                where_it_is ~ ": " ~ comparison.kind ~ " needs " ~ kinds[comparison.kind] ~ " windows, not `" ~ names ~ "`."
            ) }}
        {%- endif -%}
        {%- if customer_retention._sorted_windows(names, where_it_is ~ '.windows') | map(attribute='name') | list != names | list -%}
            {{ exceptions.raise_compiler_error(where_it_is ~ ": the windows [" ~ names | join(', ') ~ "] must go from short to long.") }}
        {%- endif -%}
        {%- set parts = [] -%}
        {%- for window in names -%}
            {%- set found = asked.columns | selectattr('of', 'equalto', comparison.of) | selectattr('window', 'equalto', window) | list -%}
            {%- if not found -%}
                {{ exceptions.raise_compiler_error(
                    where_it_is ~ ": there is no `" ~ comparison.of ~ "` in the window `" ~ window ~ "`. Name `count` or <measure>_<aggregate> of a declared measure."
                ) }}
            {%- endif -%}
            {%- if not found[0].is_number -%}
                {{ exceptions.raise_compiler_error(where_it_is ~ ": `" ~ comparison.of ~ "` is not a number.") }}
            {%- endif -%}
            {%- set length = asked.windows | selectattr('name', 'equalto', window) | first -%}
            {%- if comparison.kind not in ['ratio', 'difference'] -%}
                {%- if found[0].aggregate not in ['count', 'sum'] -%}
                    {{ exceptions.raise_compiler_error(
                        where_it_is ~ ": " ~ comparison.kind ~ " compares amounts per day, so it is for count and sum, not for `" ~ comparison.of ~ "`."
                    ) }}
                {%- endif -%}
                {%- if length.us is none -%}
                    {{ exceptions.raise_compiler_error(where_it_is ~ ": " ~ comparison.kind ~ " needs windows with a length, and all_time has none.") }}
                {%- endif -%}
            {%- endif -%}
            {%- set column = 'cast(' ~ found[0].name ~ ' as double)' -%}
            {%- set days = length.us / 86400000000 if length.us is not none else none -%}
            {%- do parts.append({'value': column, 'rate': column ~ ' / ' ~ days ~ 'e0'}) -%}
        {%- endfor -%}
        {%- if comparison.kind == 'ratio' -%}
            {%- set expression = parts[0].value ~ ' / nullif(' ~ parts[1].value ~ ', 0)' -%}
        {%- elif comparison.kind == 'difference' -%}
            {%- set expression = parts[0].value ~ ' - ' ~ parts[1].value -%}
        {%- elif comparison.kind == 'velocity' -%}
            {%- set expression = parts[0].rate ~ ' - ' ~ parts[1].rate -%}
        {%- elif comparison.kind == 'momentum' -%}
            {%- set expression = '(' ~ parts[0].rate ~ ') / nullif(' ~ parts[1].rate ~ ', 0)' -%}
        {%- else -%}
            {%- set expression = '(' ~ parts[0].rate ~ ' - ' ~ parts[1].rate ~ ') - (' ~ parts[1].rate ~ ' - ' ~ parts[2].rate ~ ')' -%}
        {%- endif -%}
        {%- do made.append({
            'name': [asked.source, comparison.of, comparison.kind] | join('_') ~ '_' ~ names | join('_'),
            'expression': expression,
        }) -%}
    {%- endfor -%}
    {{ return(made) }}
{%- endmacro -%}
