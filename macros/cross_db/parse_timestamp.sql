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
    {%- elif '%z' in format or '%Z' in format -%}
        (try_strptime({{ text }}, {{ customer_retention.text_literal(format) }}) at time zone 'UTC')
    {%- else -%}
        try_strptime({{ text }}, {{ customer_retention.text_literal(format) }})
    {%- endif -%}
{%- endmacro -%}

{%- macro spark__parse_timestamp(text, format) -%}
    {%- if format is none -%}
        {#- Spark's own cast makes a time of today of '12:30', and a year of '2024'. -#}
        {%- set dashed = "regexp_replace(" ~ text ~ ", '^([0-9]{4,})/([0-9]{1,2})/([0-9]{1,2})', '$1-$2-$3')" -%}
        {%- set with_seconds = "regexp_replace(" ~ dashed ~ ", '([ Tt][0-9]{1,2}:[0-9]{1,2})([zZ+-])', '$1:00$2')" -%}
        case
            when {{ text }} rlike '^[0-9]{4,}[-/][0-9]{1,2}[-/][0-9]{1,2}([ Tt][0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}([.][0-9]*)?)?( ?UTC|[zZ]|[+-][0-9]{2}(:?[0-9]{2})?)?)?$'
                then try_cast({{ with_seconds }} as timestamp)
        end
    {%- else -%}
        {%- if format.startswith('%a') -%}
            {#- Spark writes names of weekdays, but does not read them. -#}
            {%- set text = "regexp_replace(" ~ text ~ ", '^[A-Za-z]+,? +', '')" -%}
            {%- set format = modules.re.sub('^%a,? ', '', format) -%}
        {%- endif -%}
        {%- set parsed -%}
            try_to_timestamp({{ text }}, {{ customer_retention.text_literal(customer_retention._java_pattern(format)) }})
        {%- endset -%}
        {%- if '%y' in format -%}
            {#- Spark takes 70 for 2070, the rest of the world for 1970. -#}
            timestampadd(year, case when year({{ parsed }}) >= 2069 then -100 else 0 end, {{ parsed }})
        {%- else -%}
            {{ parsed }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro -%}

{#- Private: a pattern of strftime as Java writes it. -#}
{%- macro _java_pattern(format) -%}
    {%- set numbers = {'Y': 'yyyy', 'y': 'yy', 'm': 'M', 'd': 'd', 'H': 'H', 'M': 'm', 'S': 's', 'I': 'h'} -%}
    {%- set others = {
        'f': '[SSSSSS][SSSSS][SSSS][SSS][SS][S]', 'b': 'MMM', 'B': 'MMMM', 'p': 'a', 'z': '[XXX][XX][X]',
        'Z': '[VV][z]',
    } -%}
    {%- set touching = ['%Y', '%y', '%m', '%d', '%H', '%M', '%S', '%I', '%f'] -%}
    {%- set parts = modules.re.findall('%-?[A-Za-z]|%%|[^%]+', format | replace('%T', '%H:%M:%S')) -%}
    {%- set pattern = [] -%}
    {%- for part in parts -%}
        {%- set code = part[-1] if part.startswith('%') else none -%}
        {%- if code in numbers -%}
            {#- Numbers that touch each other are as wide as they can be. -#}
            {%- set neighbours = [loop.previtem | default(''), loop.nextitem | default('')] -%}
            {%- set touched = neighbours | select('in', touching) | list -%}
            {%- do pattern.append(numbers[code] * (2 if touched and numbers[code] | length == 1 else 1)) -%}
        {%- elif code in others -%}
            {%- do pattern.append(others[code]) -%}
        {%- elif code is not none and part != '%%' -%}
            {{ exceptions.raise_compiler_error("parse_timestamp: `" ~ part ~ "` in `" ~ format ~ "` has no counterpart on Spark.") }}
        {%- elif modules.re.match('^[-/.:, ]+$', part) -%}
            {%- do pattern.append(part) -%}
        {%- else -%}
            {%- do pattern.append("'" ~ ('%' if part == '%%' else part) | replace("'", "''") ~ "'") -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(pattern | join('')) }}
{%- endmacro -%}
