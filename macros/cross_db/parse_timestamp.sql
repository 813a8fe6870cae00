{%- macro parse_timestamp(text, format=none) -%}
    {{ return(adapter.dispatch('parse_timestamp', 'customer_retention')(text, format)) }}
{%- endmacro -%}

{%- macro default__parse_timestamp(text, format) -%}
    {%- if format is none -%}
        try_cast({{ text }} as timestamp)
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
            '%f': 'SSSSSS', '%b': 'MMM', '%B': 'MMMM', '%-m': 'M', '%-d': 'd', '%-H': 'H', '%T': 'HH:mm:ss',
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
