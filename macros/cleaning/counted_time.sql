{%- macro counted_time(text, unit) -%}
    {{ return(adapter.dispatch('counted_time', 'customer_retention')(text, unit)) }}
{%- endmacro -%}

{%- macro default__counted_time(text, unit) -%}
    {%- set ticks = {'epoch_s': '* 1000000', 'epoch_ms': '* 1000', 'epoch_us': '* 1', 'epoch_ns': '/ 1000'} -%}
    {%- if unit in ('month', 'quarter', 'iso_week', 'year') -%}
        {{ customer_retention.period_end(text, unit) }}
    {%- elif unit == 'excel_serial' -%}
        {%- set day = 'try_cast(' ~ text ~ ' as decimal(18, 10))' -%}
        {#- A fraction of a day has an error of microseconds; 25569 is 1970-01-01. -#}
        case
            when {{ day }} between 1 and 110000
                then {{ customer_retention.timestamp_from_us(
                    'cast(round((' ~ day ~ ' - 25569) * 86400000, 0) as bigint) * 1000'
                ) }}
        end
    {%- elif unit in ticks -%}
        {%- set number = 'try_cast(' ~ text ~ ' as decimal(28, 6))' -%}
        {%- set microseconds = 'floor(' ~ number ~ ' ' ~ ticks[unit] ~ ')' -%}
        {#- Years 1900 to 2200: beyond them the number counts something else. -#}
        case
            when {{ microseconds }} between -2208988800000000 and 7258118400000000
                then {{ customer_retention.timestamp_from_us('cast(' ~ microseconds ~ ' as bigint)') }}
        end
    {%- else -%}
        {{ exceptions.raise_compiler_error(
            "to_timestamp: `" ~ unit ~ "` is no format. Give a pattern of strftime, epoch_s, epoch_ms, epoch_us, epoch_ns, "
            ~ "excel_serial, month, quarter, iso_week or year."
        ) }}
    {%- endif -%}
{%- endmacro -%}
