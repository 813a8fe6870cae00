{%- macro text_measures(column, components, windows, aggregates=['mean']) -%}
    {%- set by_aggregate = aggregates if aggregates is mapping else windows -%}
    {%- set measures = [{
        'name': column ~ '_characters',
        'expression': column ~ '_characters',
        'aggregates': ['count', 'mean'],
        'windows': windows,
    }] -%}
    {%- for number in range(1, components + 1) -%}
        {%- set name = column ~ '_pc' ~ number -%}
        {%- do measures.append({
            'name': name, 'expression': name, 'type': 'decimal(9, 6)', 'aggregates': aggregates | list, 'windows': by_aggregate,
        }) -%}
    {%- endfor -%}
    {{ return(measures) }}
{%- endmacro -%}
