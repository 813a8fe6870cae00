{%- macro parse_timestamp(text, format=none, utc_offset=none) -%}
    {{ return(adapter.dispatch('parse_timestamp', 'customer_retention')(text, format, utc_offset)) }}
{%- endmacro -%}

{#-
    Engines read times as generously as they differ: a zone is dropped by one cast and null by another. So the shape of the
    text is checked first, and its zone is read apart from it, on every engine in the same way.
-#}
{%- macro default__parse_timestamp(text, format, utc_offset) -%}
    {%- if format is not none and format[:2] in ('%a', '%A') -%}
        {#- The date says what the name of its weekday repeats, in whatever language. -#}
        {%- set text = customer_retention._without_weekday(text) -%}
        {%- set format = modules.re.sub('^%[aA][.]?,? *', '', format) -%}
    {%- endif -%}
    {%- set zone = '([A-Za-z+-][A-Za-z0-9_/:+-]*)' -%}
    {%- if format is none -%}
        {%- set day = '[0-9]{4,}(?:-[0-9]{1,2}-|/[0-9]{1,2}/)[0-9]{1,2}' -%}
        {%- set clock = '(?: +|T)(?:[01]?[0-9]|2[0-3]):[0-9]{1,2}(?::[0-9]{1,2}(?:[.][0-9]*)?)?' -%}
        {%- set zoned = '^(' ~ day ~ clock ~ ') ?' ~ zone ~ '$' -%}
        {%- set local = customer_retention._part_of_match(text, zoned, 1) -%}
        case
            when {{ customer_retention.text_matches(text, '^' ~ day ~ '(?:' ~ clock ~ ')?$') }}
                then {{ customer_retention._shifted(customer_retention._parse_iso(text), utc_offset) }}
            when {{ customer_retention.text_matches(text, zoned) }}
                then {{ customer_retention.zone_to_utc(
                    customer_retention._parse_iso(local), customer_retention._part_of_match(text, zoned, 2)
                ) }}
        end
    {%- elif '%z' in format or '%Z' in format -%}
        {%- set before, after = modules.re.split('%[zZ]', format, maxsplit=1) -%}
        {%- set zoned = '^(' ~ customer_retention._shape_of(before.rstrip()) ~ ') ?' ~ zone ~ '(' ~ customer_retention._shape_of(after) ~ ')$' -%}
        {%- set local = customer_retention._part_of_match(text, zoned, 1) -%}
        {%- if after -%}
            {%- set local = '(' ~ local ~ ' || ' ~ customer_retention._part_of_match(text, zoned, 3) ~ ')' -%}
        {%- endif -%}
        {{ customer_retention.zone_to_utc(
            customer_retention._parse_pattern(local, before.rstrip() ~ after), customer_retention._part_of_match(text, zoned, 2)
        ) }}
    {%- else -%}
        {{ customer_retention._shifted(customer_retention._parse_pattern(text, format), utc_offset) }}
    {%- endif -%}
{%- endmacro -%}

{#- Private: a time of a clock that is ahead of UTC, in UTC. -#}
{%- macro _shifted(parsed, utc_offset) -%}
    {%- if not utc_offset -%}
        {{ return(parsed) }}
    {%- endif -%}
    {%- if not modules.re.match('^[+-][0-9]{2}:[0-9]{2}$', utc_offset) -%}
        {{ exceptions.raise_compiler_error("to_timestamp: `utc_offset` must be written as '+02:00'.") }}
    {%- endif -%}
    {%- set minutes = utc_offset[1:3] | int * 60 + utc_offset[4:] | int -%}
    {{ return('(' ~ parsed ~ ' ' ~ ('-' if utc_offset.startswith('+') else '+') ~ " interval '" ~ minutes ~ "' minute)") }}
{%- endmacro -%}

{#- Private: a text without the weekday that it begins with: English, German, French, Spanish, Italian, Portuguese, Dutch. -#}
{%- macro _without_weekday(text) -%}
    {%- set stems = 'mon|tue|wed|thu|fri|sat|sun|mo|di|mi|do|fr|sa|so|lun|mar|mer|jeu|ven|sam|dim|m[ií][eé]|jue|vie|s[aáAÁ]b|dom|gio|'
        ~ 'seg|ter|qua|qui|sex|ma|wo|vr|za|zo' -%}
    regexp_replace({{ text }}, {{ customer_retention.text_literal('^(?i)(?:' ~ stems ~ ')[^ 0-9.,]*[.]?,? +') }}, '')
{%- endmacro -%}

{#- Private: what a group of a regular expression matches, empty where it does not. -#}
{%- macro _part_of_match(text, pattern, group) -%}
    regexp_extract({{ text }}, {{ customer_retention.text_literal(pattern) }}, {{ group }})
{%- endmacro -%}

{#- Private: a regular expression for texts of a pattern of strftime; loose, since they are parsed afterwards. -#}
{%- macro _shape_of(format) -%}
    {%- set texts = {'a': '[^0-9 ,]+', 'A': '[^0-9 ,]+', 'b': '[^0-9 ,]+', 'B': '[^0-9 ,]+', 'p': '[AaPp][Mm]', 'T': '[0-9:]+'} -%}
    {%- set shape = [] -%}
    {%- for part in modules.re.findall('%-?[A-Za-z]|%%| +|.', format) -%}
        {%- if part.startswith('%') and part != '%%' -%}
            {%- do shape.append(texts.get(part[-1], '[0-9]+')) -%}
        {%- else -%}
            {%- do shape.append(' +' if part[0] == ' ' else '%' if part == '%%' else modules.re.escape(part)) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(shape | join('')) }}
{%- endmacro -%}

{#- Private: a date, or a date and a time of day, of a shape that has been checked. -#}
{%- macro _parse_iso(text) -%}
    {{ return(adapter.dispatch('_parse_iso', 'customer_retention')(text)) }}
{%- endmacro -%}

{%- macro default___parse_iso(text) -%}
    try_cast({{ text }} as timestamp)
{%- endmacro -%}

{%- macro spark___parse_iso(text) -%}
    {%- set dashed = "regexp_replace(" ~ text ~ ", '^([0-9]+)/([0-9]+)/([0-9]+)', '$1-$2-$3')" -%}
    try_cast(regexp_replace({{ dashed }}, '(?: +|T)([0-9]+:[0-9]+)', ' $1') as timestamp)
{%- endmacro -%}

{#- Private: a text without a zone, in a pattern of strftime. -#}
{%- macro _parse_pattern(text, format) -%}
    {{ return(adapter.dispatch('_parse_pattern', 'customer_retention')(text, format)) }}
{%- endmacro -%}

{%- macro default___parse_pattern(text, format) -%}
    try_strptime({{ text }}, {{ customer_retention.text_literal(format) }})
{%- endmacro -%}

{%- macro spark___parse_pattern(text, format) -%}
    {%- set parsed -%}
        try_to_timestamp({{ text }}, {{ customer_retention.text_literal(customer_retention._java_pattern(format)) }})
    {%- endset -%}
    {%- if '%y' in format -%}
        {#- Spark takes 70 for 2070, the rest of the world for 1970. -#}
        timestampadd(year, case when year({{ parsed }}) >= 2069 then -100 else 0 end, {{ parsed }})
    {%- else -%}
        {{ parsed }}
    {%- endif -%}
{%- endmacro -%}

{#- Private: a pattern of strftime as Java writes it. -#}
{%- macro _java_pattern(format) -%}
    {%- set numbers = {'Y': 'yyyy', 'y': 'yy', 'm': 'M', 'd': 'd', 'H': 'H', 'M': 'm', 'S': 's', 'I': 'h'} -%}
    {%- set others = {'f': '[SSSSSS][SSSSS][SSSS][SSS][SS][S]', 'b': 'MMM', 'B': 'MMMM', 'p': 'a'} -%}
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
