{%- macro floor_divide(number, divisor) -%}
    {{ return(adapter.dispatch('floor_divide', 'customer_retention')(number, divisor)) }}
{%- endmacro -%}

{#- Engines cut a quotient of whole numbers off towards zero, so one below zero with a remainder is one too high. -#}
{%- macro default__floor_divide(number, divisor) -%}
    (({{ number }}) // {{ divisor }} - case when ({{ number }}) % {{ divisor }} < 0 then 1 else 0 end)
{%- endmacro -%}

{%- macro spark__floor_divide(number, divisor) -%}
    (({{ number }}) div {{ divisor }} - case when ({{ number }}) % {{ divisor }} < 0 then 1 else 0 end)
{%- endmacro -%}
