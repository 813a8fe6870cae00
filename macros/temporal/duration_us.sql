{%- macro duration_us(duration, argument='duration') -%}
    {{ return(adapter.dispatch('duration_us', 'customer_retention')(duration, argument)) }}
{%- endmacro -%}

{%- macro default__duration_us(duration, argument) -%}
    {#- A day is 86,400 s: lengths are exact, whatever a calendar or a clock change does. -#}
    {%- set found = modules.re.match('^(\\d+)(h|d|w)$', duration | string) -%}
    {%- if not found -%}
        {{ exceptions.raise_compiler_error(
            argument ~ ": `" ~ duration ~ "` is not a duration. Write hours, days or weeks, such as '24h', '30d' or '2w'."
        ) }}
    {%- endif -%}
    {%- set hours = {'h': 1, 'd': 24, 'w': 168} -%}
    {{ return((found.group(1) | int) * hours[found.group(2)] * 3600000000) }}
{%- endmacro -%}
