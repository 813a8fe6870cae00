{%- macro to_timestamp(column, formats=none) -%}
    {{ return(adapter.dispatch('to_timestamp', 'customer_retention')(column, formats)) }}
{%- endmacro -%}

{%- macro default__to_timestamp(column, formats) -%}
    {%- set text = customer_retention.clean_text(column) -%}
    {%- if not formats -%}
        {{ customer_retention.parse_timestamp(text) }}
    {%- elif formats is string -%}
        {{ exceptions.raise_compiler_error("to_timestamp: `formats` must be a list, such as ['%Y%m%d'].") }}
    {%- elif formats | length == 1 -%}
        {{ customer_retention.parse_timestamp(text, formats[0]) }}
    {%- else -%}
        coalesce(
            {%- for format in formats %}
            {{ customer_retention.parse_timestamp(text, format) }}{{ ',' if not loop.last }}
            {%- endfor %}
        )
    {%- endif -%}
{%- endmacro -%}
