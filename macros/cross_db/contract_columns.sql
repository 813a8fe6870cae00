{%- macro contract_columns(model_name) -%}
    {%- set columns = {} -%}
    {#- While dbt parses, it knows no other models yet. -#}
    {%- if execute -%}
        {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.name == model_name -%}
            {%- for column in node.columns.values() -%}
                {%- do columns.update({column.name: column.data_type}) -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- if not columns -%}
            {{ exceptions.raise_compiler_error("contract_columns: there is no model `" ~ model_name ~ "` whose YAML lists columns.") }}
        {%- endif -%}
    {%- endif -%}
    {{ return(columns) }}
{%- endmacro -%}
