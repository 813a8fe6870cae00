{#- Schemas are named by layer (raw, bronze, silver, gold). On Databricks, targets other than databricks_prod prefix them
    with their own schema: people and pull requests share a catalog there. Sources of gold in YAML follow the same rule. -#}
{%- macro generate_schema_name(custom_schema_name, node) -%}
    {%- if custom_schema_name and target.type == 'databricks' and target.name != 'databricks_prod' -%}
        {{ target.schema }}_{{ custom_schema_name | trim }}
    {%- else -%}
        {{ (custom_schema_name or target.schema) | trim }}
    {%- endif -%}
{%- endmacro -%}
