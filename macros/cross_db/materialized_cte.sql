{%- macro materialized_cte(once=true) -%}
    {{ return(adapter.dispatch('materialized_cte', 'customer_retention')(once)) }}
{%- endmacro -%}

{%- macro default__materialized_cte(once) -%}
    {{ 'materialized' if once else 'not materialized' }}
{%- endmacro -%}

{%- macro spark__materialized_cte(once) -%}
{%- endmacro -%}
