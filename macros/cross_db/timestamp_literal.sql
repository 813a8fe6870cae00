{%- macro timestamp_literal(text, argument='time') -%}
    {{ return(adapter.dispatch('timestamp_literal', 'customer_retention')(text, argument)) }}
{%- endmacro -%}

{%- macro default__timestamp_literal(text, argument) -%}
    {%- set text = text | string -%}
    {%- if not modules.re.match('^\\d{4}-\\d{2}-\\d{2}([ T]\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,6})?)?)?$', text) -%}
        {{ exceptions.raise_compiler_error(
            argument ~ ": `" ~ text ~ "` is not a time. Write it as '2025-01-31' or '2025-01-31 18:30:00' (UTC)."
        ) }}
    {%- endif -%}
    cast('{{ text | replace("T", " ") }}' as {{ dbt.type_timestamp() }})
{%- endmacro -%}
