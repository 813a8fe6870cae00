{#- Private: the output columns of `window_features` in their order. -#}

{#-
    Each has `name` and `expression`; those of windows also `of`, `window`, `aggregate` and `is_number`, by which a comparison
    finds them.
-#}
{%- macro _window_columns(declaration) -%}
    {%- set columns = [] -%}
    {%- for window in declaration.windows -%}
        {%- do columns.append({
            'name': declaration.source ~ '_count_' ~ window.name, 'of': 'count', 'window': window.name, 'aggregate': 'count', 'is_number': true,
            'expression': 'cast(cumulated.event_count__' ~ window.name ~ ' as bigint)',
        }) -%}
    {%- endfor -%}
    {%- for measure in declaration.measures -%}
        {%- for aggregate in measure.aggregates -%}
            {%- set wanted = (measure.windows_by_aggregate or {}).get(aggregate, measure.windows | map(attribute='name') | list) -%}
            {%- for window in measure.windows if window.name in wanted -%}
                {%- set of = measure.name ~ '_' ~ aggregate -%}
                {%- do columns.append({
                    'name': declaration.source ~ '_' ~ of ~ '_' ~ window.name, 'of': of, 'window': window.name, 'aggregate': aggregate,
                    'is_number': aggregate not in ['mode', 'any', 'all'] and not (aggregate in ['first', 'last'] and measure.kind == 'text'),
                    'expression': customer_retention._window_aggregate(measure, aggregate, window.name),
                }) -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- do columns.extend(customer_retention._recency_columns(declaration)) -%}
    {%- do columns.extend(customer_retention._rhythm_columns(declaration)) -%}
    {%- if declaration.has_fingerprint -%}
        {%- do columns.append({
            'name': declaration.source ~ '_fingerprint',
            'expression': customer_retention._fingerprint(declaration, 'cumulated.fingerprint__' ~ declaration.ever),
        }) -%}
    {%- endif -%}
    {%- if declaration.has_state -%}
        {%- do columns.append({'name': declaration.source ~ '_carried', 'expression': customer_retention._state_column(declaration)}) -%}
    {%- endif -%}
    {{ return(columns) }}
{%- endmacro -%}

{#- One aggregate of a measure in a window, from the cumulated partial results. -#}
{%- macro _window_aggregate(measure, aggregate, window) -%}
    {%- set family = customer_retention._window_aggregates()[aggregate].family -%}
    {%- if family == 'counts_and_sums' -%}
        {{ customer_retention._count_or_sum(measure, aggregate, window) }}
    {%- elif family == 'moments' -%}
        {{ customer_retention._moment(measure, aggregate, window) }}
    {%- elif family == 'order_statistics' -%}
        {{ customer_retention._order_statistic(measure, aggregate, window) }}
    {%- else -%}
        {{ customer_retention._category_statistic(measure, aggregate, window) }}
    {%- endif -%}
{%- endmacro -%}

{#- The pattern of a measure's cumulated partial results in a window: `_cumulated_column(…) % 'sum'` is that of the sum. -#}
{%- macro _cumulated_column(measure, window) -%}
    {{ return('cumulated.' ~ measure.name ~ '__%s__' ~ window) }}
{%- endmacro -%}
