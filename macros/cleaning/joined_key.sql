{%- macro joined_key(columns) -%}
    {{ return(adapter.dispatch('joined_key', 'customer_retention')(columns)) }}
{%- endmacro -%}

{%- macro default__joined_key(columns) -%}
    {#- A bar within a value is written otherwise, so that no two rows with different values share a key. -#}
    {%- for column in columns -%}
        replace(replace({{ column }}, '~', '~~'), '|', '~!'){{ " || '|' || " if not loop.last }}
    {%- endfor -%}
{%- endmacro -%}
