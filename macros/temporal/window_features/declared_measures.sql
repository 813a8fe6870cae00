{#- Private: the measures of `window_features`, checked; those with `values` are taken apart into one for each value. -#}
{%- macro _checked_measures(source, measures, windows, carry_state) -%}
    {%- if not modules.re.match('^[a-z][a-z0-9_]*$', source | string) -%}
        {{ exceptions.raise_compiler_error("source: `" ~ source ~ "` is not a name. Use lower-case letters, digits and underscores.") }}
    {%- endif -%}
    {%- set checked = [] -%}
    {%- for measure in measures -%}
        {%- if measure is not mapping -%}
            {{ exceptions.raise_compiler_error("measures: `" ~ measure ~ "` is not a mapping with name, expression and aggregates.") }}
        {%- endif -%}
        {%- set argument = 'measures[' ~ (measure.name | default(loop.index0)) ~ ']' -%}
        {%- do customer_retention._check_measure(argument, measure, windows) -%}
        {%- for part in customer_retention._parts_by_value(argument, measure, windows) -%}
            {%- do checked.append(customer_retention._typed_measure(part, carry_state)) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for measure in checked if checked | selectattr('name', 'equalto', measure.name) | list | length > 1 -%}
        {{ exceptions.raise_compiler_error("measures: the name `" ~ measure.name ~ "` stands twice; its columns would collide.") }}
    {%- endfor -%}
    {{ return(checked) }}
{%- endmacro -%}

{#- Whether the keys of a measure are known, and complete, and go together. -#}
{%- macro _check_measure(argument, measure, windows) -%}
    {%- set known_keys = ['name', 'expression', 'aggregates', 'windows', 'where', 'type', 'by', 'values'] -%}
    {%- set known_aggregates = customer_retention._window_aggregates() -%}
    {%- for key in measure if key not in known_keys -%}
        {{ exceptions.raise_compiler_error(argument ~ ": `" ~ key ~ "` is not known. Allowed: " ~ known_keys | join(', ') ~ ".") }}
    {%- endfor -%}
    {%- for key in ['name', 'expression', 'aggregates'] if not measure[key] -%}
        {{ exceptions.raise_compiler_error(argument ~ ": `" ~ key ~ "` is missing.") }}
    {%- endfor -%}
    {%- if not modules.re.match('^[a-z][a-z0-9_]*$', measure.name) or '__' in measure.name -%}
        {{ exceptions.raise_compiler_error(argument ~ ": the name must be lower-case letters, digits and single underscores.") }}
    {%- endif -%}
    {%- if measure.aggregates is string -%}
        {{ exceptions.raise_compiler_error(argument ~ ": `aggregates` must be a list, such as ['" ~ measure.aggregates ~ "'].") }}
    {%- endif -%}
    {%- for aggregate in measure.aggregates if aggregate not in known_aggregates -%}
        {{ exceptions.raise_compiler_error(
            argument ~ ": aggregate `" ~ aggregate ~ "` is not known. Choose from: " ~ known_aggregates | join(', ') ~ "."
        ) }}
    {%- endfor -%}
    {%- if measure.aggregates | unique | list | length != measure.aggregates | length -%}
        {{ exceptions.raise_compiler_error(argument ~ ": an aggregate stands twice in [" ~ measure.aggregates | join(', ') ~ "].") }}
    {%- endif -%}
    {%- if measure.windows is mapping and measure.windows | sort != measure.aggregates | sort -%}
        {{ exceptions.raise_compiler_error(
            argument ~ ".windows: give windows to each of [" ~ measure.aggregates | join(', ') ~ "], and to nothing else."
        ) }}
    {%- endif -%}
    {%- set lists = measure.windows.values() | list if measure.windows is mapping else [measure.windows] -%}
    {%- for names in lists if names -%}
        {%- do customer_retention._sorted_windows(names, argument ~ '.windows') -%}
        {%- for window in names if window not in windows | map(attribute='name') -%}
            {{ exceptions.raise_compiler_error(
                argument ~ ": window `" ~ window ~ "` is not among [" ~ windows | map(attribute='name') | join(', ') ~ "]."
            ) }}
        {%- endfor -%}
    {%- endfor -%}
    {%- if 'values' in measure and not measure.get('values') -%}
        {{ exceptions.raise_compiler_error(argument ~ ": `values` is empty; list the categories to tell apart.") }}
    {%- endif -%}
    {%- if measure.by is defined and not measure.get('values') -%}
        {{ exceptions.raise_compiler_error(argument ~ ": `by` needs `values`, the list of categories to tell apart.") }}
    {%- endif -%}
{%- endmacro -%}

{#- The measure, or one for each of its values: with `by` of all aggregates, without of count and share. -#}
{%- macro _parts_by_value(argument, measure, windows) -%}
    {%- set wanted = measure.windows.values() | sum(start=[]) if measure.windows is mapping else measure.windows -%}
    {%- set whole = {
        'name': measure.name,
        'expression': measure.expression,
        'conditions': [measure.where] if measure.where else [],
        'aggregates': measure.aggregates,
        'windows': windows | selectattr('name', 'in', wanted) | list if wanted else windows,
        'windows_by_aggregate': measure.windows if measure.windows is mapping else none,
        'type': measure.type | default(none),
        'counts_trues': false,
        'argument': argument,
    } -%}
    {%- if not measure.get('values') -%}
        {{ return([whole]) }}
    {%- endif -%}
    {%- set parts = [] -%}
    {%- set per_value = measure.aggregates | select('in', ['count', 'share']) | list -%}
    {%- if measure.by is not defined -%}
        {%- if not per_value -%}
            {{ exceptions.raise_compiler_error(argument ~ ": `values` without `by` are for the aggregates count and share.") }}
        {%- endif -%}
        {%- set together = measure.aggregates | reject('in', per_value) | list -%}
        {%- if together -%}
            {%- do parts.append(dict(whole, aggregates=together)) -%}
        {%- endif -%}
    {%- endif -%}
    {%- for value in customer_retention._named_values(argument, measure.get('values')) -%}
        {%- set text = customer_retention.to_text(measure.by if measure.by is defined else measure.expression) -%}
        {%- set is_it = text ~ ' = ' ~ customer_retention.text_literal(value.value) -%}
        {%- set part = dict(whole, name=measure.name ~ '_' ~ value.name) -%}
        {%- if measure.by is defined -%}
            {%- do parts.append(dict(part, conditions=whole.conditions + [is_it])) -%}
        {%- else -%}
            {%- do parts.append(dict(part, expression=is_it, aggregates=per_value, type='boolean', counts_trues=true)) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(parts) }}
{%- endmacro -%}

{#- The values of a category, each with the name that stands for it in columns. -#}
{%- macro _named_values(argument, values) -%}
    {%- if values is string -%}
        {{ exceptions.raise_compiler_error(argument ~ ": `values` must be a list, such as ['" ~ values ~ "'], or a mapping from name to value.") }}
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
                argument ~ ".values: `" ~ key ~ "` makes no column name. Name it yourself: values: {'a_name': '" ~ value ~ "'}."
            ) }}
        {%- endif -%}
        {%- for other in named if other.name == name -%}
            {{ exceptions.raise_compiler_error(
                argument ~ ".values: `" ~ other.value ~ "` and `" ~ value ~ "` both become `" ~ name
                ~ "`. Name them yourself: values: {'a_name': '" ~ value ~ "'}."
            ) }}
        {%- endfor -%}
        {%- do named.append({'name': name, 'value': value}) -%}
    {%- endfor -%}
    {{ return(named) }}
{%- endmacro -%}
