{%- macro ticks(number, precision, scale) -%}
    {{ return(adapter.dispatch('ticks', 'customer_retention')(number, precision, scale)) }}
{%- endmacro -%}

{%- macro default__ticks(number, precision, scale) -%}
    {%- set value = 'cast(' ~ number ~ ' as decimal(' ~ precision ~ ', ' ~ scale ~ '))' -%}
    {#- Up to 15 digits a double is exact, and fifty times faster than a decimal of 38. -#}
    {%- set quick = 'cast(round(cast(' ~ value ~ ' as double) * ' ~ 10 ** scale ~ ') as bigint)' -%}
    {%- if precision <= 9 -%}
        cast(round(cast({{ value }} as double) * {{ 10 ** scale }}) as integer)
    {%- elif precision <= 15 -%}
        cast({{ quick }} as decimal(18, 0))
    {%- else -%}
        case
            when abs({{ value }}) < {{ 10 ** (15 - scale) if scale <= 15 else 0 }} then cast({{ quick }} as decimal(18, 0))
            else cast(cast({{ value }} as decimal(38, {{ scale }})) * {{ 10 ** scale }} as decimal(18, 0))
        end
    {%- endif -%}
{%- endmacro -%}

{%- macro spark__ticks(number, precision, scale) -%}
    {%- set type = 'int' if precision <= 9 else 'decimal(18, 0)' -%}
    {#- Spark rounds a double as it is written, DuckDB as it is stored: 1.005 to 1.01 or to 1.00. As DuckDB, then. -#}
    case
        when typeof({{ number }}) in ('double', 'float')
            then cast(cast(round(cast({{ number }} as double) * {{ 10 ** scale }}D) as decimal({{ precision }}, 0)) as {{ type }})
        else cast(cast({{ number }} as decimal({{ precision }}, {{ scale }})) * {{ 10 ** scale }} as {{ type }})
    end
{%- endmacro -%}
