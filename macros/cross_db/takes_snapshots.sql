{%- macro takes_snapshots() -%}
    {{ return(adapter.dispatch('takes_snapshots', 'customer_retention')()) }}
{%- endmacro -%}

{%- macro default__takes_snapshots() -%}
    {{ return(true) }}
{%- endmacro -%}

{#- dbt-spark merges into the table of a snapshot, which plain Spark's formats do not allow. -#}
{%- macro spark__takes_snapshots() -%}
    {{ return(false) }}
{%- endmacro -%}

{%- macro databricks__takes_snapshots() -%}
    {{ return(true) }}
{%- endmacro -%}
