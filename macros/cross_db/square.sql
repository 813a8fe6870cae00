{%- macro square(ticks, precision) -%}
    {{ return(adapter.dispatch('square', 'customer_retention')(ticks, precision)) }}
{%- endmacro -%}

{%- macro default__square(ticks, precision) -%}
    {#- A product that fits a machine's word is many times faster than one of 38 digits. -#}
    {%- if precision <= 9 -%}
        cast({{ ticks }} as bigint) * {{ ticks }}
    {%- else -%}
        case
            when abs({{ ticks }}) < 1000000000 then cast({{ ticks }} * {{ ticks }} as decimal(38, 0))
            else cast({{ ticks }} as decimal(38, 0)) * {{ ticks }}
        end
    {%- endif -%}
{%- endmacro -%}

{%- macro spark__square(ticks, precision) -%}
    cast({{ ticks }} as decimal(18, 0)) * cast({{ ticks }} as decimal(18, 0))
{%- endmacro -%}
