{%- macro columns_except(columns) -%}
    {{ return(adapter.dispatch('columns_except', 'customer_retention')(columns)) }}
{%- endmacro -%}

{%- macro default__columns_except(columns) -%}
    * exclude ({{ columns | join(', ') }})
{%- endmacro -%}

{%- macro spark__columns_except(columns) -%}
    * except ({{ columns | join(', ') }})
{%- endmacro -%}
