{%- macro square(ticks, precision) -%}
    {{ return(adapter.dispatch('square', 'customer_retention')(ticks, precision)) }}
{%- endmacro -%}

{%- macro default__square(ticks, precision) -%}
    {#- A product of 9 digits each fits a machine's word, which is many times faster. -#}
    {%- set quick = 'cast(' ~ ticks ~ ' * ' ~ ticks ~ ' as decimal(38, 0))' -%}
    {%- if precision <= 9 -%}
        {{ quick }}
    {%- else -%}
        case when abs({{ ticks }}) < 1000000000 then {{ quick }} else cast({{ ticks }} as decimal(38, 0)) * {{ ticks }} end
    {%- endif -%}
{%- endmacro -%}

{%- macro spark__square(ticks, precision) -%}
    {{ ticks }} * {{ ticks }}
{%- endmacro -%}
