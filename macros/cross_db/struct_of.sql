{%- macro struct_of(fields) -%}
    {{ return(adapter.dispatch('struct_of', 'customer_retention')(fields)) }}
{%- endmacro -%}

{%- macro default__struct_of(fields) -%}
    struct_pack({% for name, expression in fields.items() %}{{ name }} := {{ expression }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro -%}

{%- macro spark__struct_of(fields) -%}
    named_struct({% for name, expression in fields.items() %}'{{ name }}', {{ expression }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro -%}
