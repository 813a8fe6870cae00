{%- macro cluster_by(column) -%}
    {{ return(adapter.dispatch('cluster_by', 'customer_retention')(column)) }}
{%- endmacro -%}

{%- macro default__cluster_by(column) -%}
    order by {{ column }}
{%- endmacro -%}

{#- Spark brings the rows of a group together by itself; an order would be a second shuffle. -#}
{%- macro spark__cluster_by(column) -%}
{%- endmacro -%}
