{#- Schemas are named by layer (raw, bronze, silver, gold), not prefixed with the target's own schema. -#}
{%- macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro -%}
