{%- macro to_timestamp(column, formats=none, language=none, utc_offset=none, clock=none) -%}
    {{ return(adapter.dispatch('to_timestamp', 'customer_retention')(column, formats, language, utc_offset, clock)) }}
{%- endmacro -%}

{%- macro default__to_timestamp(column, formats, language, utc_offset, clock) -%}
    {%- if formats is string -%}
        {{ exceptions.raise_compiler_error("to_timestamp: `formats` must be a list, such as ['%Y%m%d'].") }}
    {%- endif -%}
    {%- set text = customer_retention.clean_text(column) -%}
    {%- if language -%}
        {%- if formats and formats[0][:2] in ('%a', '%A') -%}
            {#- The first name is taken for that of a month. -#}
            {%- set text = customer_retention._without_weekday(text) -%}
        {%- endif -%}
        {%- set text = customer_retention.english_month(text, language) -%}
    {%- endif -%}
    {%- set attempts = [] -%}
    {%- for format in formats or [none] -%}
        {%- set is_pattern = format is none or '%' in format -%}
        {%- if is_pattern -%}
            {%- do attempts.append(customer_retention.parse_timestamp(text, format, utc_offset)) -%}
        {%- else -%}
            {#- What is counted since 1970 is UTC already; days and periods are those of a calendar. -#}
            {%- set calendar_offset = none if format.startswith('epoch_') else utc_offset -%}
            {%- do attempts.append(customer_retention._shifted(customer_retention.counted_time(text, format), calendar_offset)) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set parsed -%}
        {%- if attempts | length == 1 -%}
            {{ attempts[0] }}
        {%- else -%}
            coalesce(
                {%- for attempt in attempts %}
                {{ attempt }}{{ ',' if not loop.last }}
                {%- endfor %}
            )
        {%- endif -%}
    {%- endset -%}
    {%- if clock is not none -%}
        {%- set hours = customer_retention.clean_text(clock) -%}
        {#- A clock without seconds would be read as minutes and seconds. -#}
        {%- set full -%}
            case when {{ customer_retention.text_matches(hours, '^[0-9]+:[0-9]+$') }} then {{ hours }} || ':00' else {{ hours }} end
        {%- endset -%}
        {#- A missing time of day is midnight; one that cannot be read makes no time. -#}
        {%- set seconds = 'case when ' ~ hours ~ ' is null then 0 else cast(' ~ customer_retention.duration_seconds(full, 0) ~ ' as bigint) end' -%}
        {%- set parsed = '(' ~ parsed ~ ' + ' ~ seconds ~ " * interval '1' second)" -%}
    {%- endif -%}
    {{ parsed }}
{%- endmacro -%}
