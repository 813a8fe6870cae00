{%- macro require_ansi() -%}
    {%- if execute -%}
        {{ adapter.dispatch('require_ansi', 'customer_retention')() }}
    {%- endif -%}
{%- endmacro -%}

{%- macro default__require_ansi() -%}
{%- endmacro -%}

{#- dbt-spark turns ANSI mode off before each statement of a session, whatever profiles.yml says. -#}
{%- macro spark__require_ansi() -%}
    {%- set settings = adapter.config.credentials.server_side_parameters -%}
    {%- do settings.update({'spark.sql.ansi.enabled': 'true'}) -%}
{%- endmacro -%}

{%- macro databricks__require_ansi() -%}
{%- endmacro -%}
