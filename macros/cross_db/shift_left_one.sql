{%- macro shift_left_one(code) -%}
    {{ return(adapter.dispatch('shift_left_one', 'customer_retention')(code)) }}
{%- endmacro -%}

{%- macro default__shift_left_one(code) -%}
    (cast(1 as bigint) << cast({{ code }} as bigint))
{%- endmacro -%}

{%- macro spark__shift_left_one(code) -%}
    shiftleft(cast(1 as bigint), cast({{ code }} as int))
{%- endmacro -%}
