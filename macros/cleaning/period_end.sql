{%- macro period_end(text, period) -%}
    {{ return(adapter.dispatch('period_end', 'customer_retention')(text, period)) }}
{%- endmacro -%}

{#- First instant after a period: figures of a month are known when it is over. -#}
{%- macro default__period_end(text, period) -%}
    {%- set year = 'regexp_extract(' ~ text ~ ", '([0-9]{4})', 1)" -%}
    {%- if period == 'month' -%}
        {%- set number = "lpad(coalesce(nullif(regexp_extract(" ~ text ~ ", '^[0-9]{4}[-/.M ]?([0-9]{1,2})$', 1), ''), "
            ~ "regexp_extract(" ~ text ~ ", '^([0-9]{1,2})[-/. ][0-9]{4}$', 1)), 2, '0')" -%}
        coalesce(
            case
                when {{ customer_retention.text_matches(text, '^([0-9]{4}[-/.M ]?[0-9]{1,2}|[0-9]{1,2}[-/. ][0-9]{4})$') }}
                    then try_cast({{ year }} || '-' || {{ number }} || '-01' as {{ dbt.type_timestamp() }})
            end
            {%- for pattern in ('%b %y', '%b-%y', '%B %y', '%b %Y', '%B %Y', '%b-%Y', '%B-%Y') %},
            {{ customer_retention.parse_timestamp(text, pattern) }}
            {%- endfor %}
        ) + interval '1' month
    {%- elif period == 'quarter' -%}
        case
            when {{ customer_retention.text_matches(text, '^([0-9]{4}[-/ ]?[Qq][1-4]|[Qq][1-4][-/ ]?[0-9]{4})$') }}
                then try_cast({{ year }} || '-' || case lower(regexp_extract({{ text }}, '([Qq][1-4])', 1))
                    when 'q1' then '01' when 'q2' then '04' when 'q3' then '07' else '10' end || '-01' as {{ dbt.type_timestamp() }})
                    + interval '3' month
        end
    {%- elif period == 'iso_week' -%}
        {%- set week = 'cast(regexp_extract(' ~ text ~ ", '[WwKk]([0-9]{1,2})', 1) as integer)" -%}
        {#- 4 January lies in the first week; a week 53 that the year does not have is none. -#}
        {%- set monday = "date_trunc('week', try_cast(" ~ year ~ " || '-01-04' as " ~ dbt.type_timestamp() ~ "))" -%}
        {%- set end = monday ~ ' + ' ~ week ~ " * interval '7' day" -%}
        case
            when {{ customer_retention.text_matches(text, '^([0-9]{4}[- ]?[Ww](0?[1-9]|[1-4][0-9]|5[0-3])|[Ww](0?[1-9]|[1-4][0-9]|5[0-3])[-/ ]?[0-9]{4})$') }}
                and extract(year from {{ end }} - interval '4' day) = cast({{ year }} as integer)
                then {{ end }}
        end
    {%- elif period == 'year' -%}
        case
            when {{ customer_retention.text_matches(text, '^[0-9]{4}$') }}
                then try_cast({{ text }} || '-01-01' as {{ dbt.type_timestamp() }}) + interval '1' year
        end
    {%- else -%}
        {{ exceptions.raise_compiler_error("period_end: `" ~ period ~ "` is no period. Choose month, quarter, iso_week or year.") }}
    {%- endif -%}
{%- endmacro -%}
