{%- macro zone_to_utc(local_time, zone) -%}
    {{ return(adapter.dispatch('zone_to_utc', 'customer_retention')(local_time, zone)) }}
{%- endmacro -%}

{%- macro default__zone_to_utc(local_time, zone) -%}
    {#- Those that mean one offset: the zones of RFC 2822 and those of Europe. IST, BST and AST are three zones each. -#}
    {%- set offsets = {
        '+00:00': ['Z', 'UTC', 'UT', 'GMT', 'WET'], '+01:00': ['CET', 'WEST'], '+02:00': ['CEST', 'EET'],
        '+03:00': ['EEST', 'MSK'], '+09:00': ['JST'], '-04:00': ['EDT'], '-05:00': ['EST', 'CDT'], '-06:00': ['CST', 'MDT'],
        '-07:00': ['MST', 'PDT'], '-08:00': ['PST'],
    } -%}
    {%- set hours = customer_retention._part_of_match(zone, '[+-]([0-9]{1,2})', 1) -%}
    {%- set minutes = customer_retention._part_of_match(zone, '[+-](?:[0-9]{1,2}:|[0-9]{2})([0-9]{2})$', 1) -%}
    {%- set written -%}
        case
                    when {{ customer_retention.text_matches(zone, '^(?:UTC|GMT)?[+-](?:(?:0[0-9]|1[0-4])(?::?[0-5][0-9])?|[0-9](?::[0-5][0-9])?)$') }}
                        then {{ customer_retention._part_of_match(zone, '([+-])', 1) }} || lpad({{ hours }}, 2, '0') || ':' || rpad({{ minutes }}, 2, '0')
                    {%- for offset, names in offsets.items() %}
                    when upper({{ zone }}) in ('{{ names | join("', '") }}') then '{{ offset }}'
                    {%- endfor %}
                end
    {%- endset -%}
    case
                when {{ customer_retention.text_matches(zone, '^[A-Z][A-Za-z]+(?:/[A-Z][A-Za-z0-9_+-]*)+$') }}
                    then {{ customer_retention._time_in_region(local_time, zone) }}
                else {{ customer_retention._time_at_offset(local_time, written) }}
            end
{%- endmacro -%}

{%- macro _time_at_offset(local_time, offset) -%}
    {{ return(adapter.dispatch('_time_at_offset', 'customer_retention')(local_time, offset)) }}
{%- endmacro -%}

{%- macro default___time_at_offset(local_time, offset) -%}
    try_cast(cast({{ local_time }} as varchar) || {{ offset }} as timestamptz) at time zone 'UTC'
{%- endmacro -%}

{%- macro spark___time_at_offset(local_time, offset) -%}
    try_cast(cast({{ local_time }} as string) || {{ offset }} as timestamp)
{%- endmacro -%}

{%- macro _time_in_region(local_time, zone) -%}
    {{ return(adapter.dispatch('_time_in_region', 'customer_retention')(local_time, zone)) }}
{%- endmacro -%}

{#- Of an hour that comes twice when clocks are put back, DuckDB takes the second, Spark the first. The first, then. -#}
{%- macro default___time_in_region(local_time, zone) -%}
    {%- set later = "try_cast(cast(" ~ local_time ~ " as varchar) || ' ' || " ~ zone ~ " as timestamptz)" -%}
    ({{ later }} - case when timezone({{ zone }}, {{ later }} - interval '1' hour) = {{ local_time }} then 1 else 0 end * interval '1' hour) at time zone 'UTC'
{%- endmacro -%}

{%- macro spark___time_in_region(local_time, zone) -%}
    try_cast(cast({{ local_time }} as string) || ' ' || {{ zone }} as timestamp)
{%- endmacro -%}
