{#-
    A table that Python fills, where dbt runs no Python models: dbt makes it without rows when it is missing, has other
    columns than the model declares, or is refreshed in full. What Python wrote stays otherwise.
-#}
{%- materialization written_by_python, default -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target = this.incorporate(type='table') -%}
    {{- run_hooks(pre_hooks) -}}
    {%- if existing is not none and not should_full_refresh() and customer_retention._has_columns_of(existing, sql) -%}
        {%- call noop_statement('main', 'KEPT', 'KEPT') -%}
            -- the rows that Python wrote
        {%- endcall -%}
    {%- else -%}
        {%- do drop_relation_if_exists(existing) -%}
        {%- call statement('main') -%}
            {{ create_table_as(False, target, sql) }}
        {%- endcall -%}
        {%- do persist_docs(target, model) -%}
    {%- endif -%}
    {{- run_hooks(post_hooks) -}}
    {%- do adapter.commit() -%}
    {{ return({'relations': [target]}) }}
{%- endmaterialization -%}

{#- Private: whether a table has the columns that a query makes, in any order. -#}
{%- macro _has_columns_of(relation, sql) -%}
    {%- set stored = adapter.get_columns_in_relation(relation) | map(attribute='name') | map('lower') | sort -%}
    {{ return(stored == get_columns_in_query(sql) | map('lower') | sort) }}
{%- endmacro -%}
