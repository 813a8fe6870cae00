{%- macro runs_python_models() -%}
    {{ return(adapter.dispatch('runs_python_models', 'customer_retention')()) }}
{%- endmacro -%}

{%- macro default__runs_python_models() -%}
    {{ return(true) }}
{%- endmacro -%}

{#- dbt-spark sends them to a cluster of Databricks, and knows no other way. -#}
{%- macro spark__runs_python_models() -%}
    {{ return(false) }}
{%- endmacro -%}

{%- macro databricks__runs_python_models() -%}
    {{ return(true) }}
{%- endmacro -%}
