{%- macro parse_timestamp(text, format=none) -%}
    {{ return(adapter.dispatch('parse_timestamp', 'customer_retention')(text, format)) }}
{%- endmacro -%}

{%- macro default__parse_timestamp(text, format) -%}
    {%- if format is none -%}
        {#- DuckDB passes over an offset when it casts to a timestamp; whatever the session's zone, it must count. -#}
        case
            when regexp_matches({{ text }}, ':\d{2}(\.\d+)? ?([zZ]|[+-]\d{2}(:?\d{2})?)$') then try_cast({{ text }} as timestamptz) at time zone 'UTC'
            else try_cast({{ text }} as timestamp)
        end
    {%- else -%}
        try_strptime({{ text }}, {{ customer_retention.text_literal(format) }})
    {%- endif -%}
{%- endmacro -%}

{%- macro spark__parse_timestamp(text, format) -%}
    {%- if format is none -%}
        try_cast({{ text }} as timestamp)
    {%- else -%}
        {#- Spark knows Java's patterns, the rest of the project strftime's. -#}
        {%- set java = {
            '%Y': 'yyyy', '%y': 'yy', '%m': 'M', '%d': 'd', '%H': 'H', '%M': 'm', '%S': 's', '%I': 'h', '%p': 'a',
            '%f': 'SSSSSS', '%b': 'MMM', '%B': 'MMMM', '%-m': 'M', '%-d': 'd', '%-H': 'H', '%T': 'HH:mm:ss', '%z': 'XXX',
        } -%}
        {%- set pattern = namespace(text=format) -%}
        {%- if modules.re.match('^[%Ymd]+$', format) -%}
            {%- set pattern.text = format | replace('%Y', 'yyyy') | replace('%m', 'MM') | replace('%d', 'dd') -%}
        {%- else -%}
            {%- for code, letters in java.items() -%}
                {%- set pattern.text = pattern.text | replace(code, letters) -%}
            {%- endfor -%}
        {%- endif -%}
        try_to_timestamp({{ text }}, {{ customer_retention.text_literal(pattern.text) }})
    {%- endif -%}
{%- endmacro -%}
