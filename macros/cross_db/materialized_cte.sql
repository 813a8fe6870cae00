{%- macro materialized_cte() -%}
    {{ return(adapter.dispatch('materialized_cte', 'customer_retention')()) }}
{%- endmacro -%}

{%- macro default__materialized_cte() -%}
    materialized
{%- endmacro -%}

{%- macro spark__materialized_cte() -%}
{%- endmacro -%}
