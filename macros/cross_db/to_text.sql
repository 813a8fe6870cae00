{%- macro to_text(expression) -%}
    {{ return(adapter.dispatch('to_text', 'customer_retention')(expression)) }}
{%- endmacro -%}

{%- macro default__to_text(expression) -%}
    cast({{ expression }} as {{ dbt.type_string() }})
{%- endmacro -%}
