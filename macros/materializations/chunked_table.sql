{#-
    A table made one chunk of entities after the other, so that the memory needed is that of a chunk. It replaces the old
    table only when the last chunk stands.
-#}
{%- materialization chunked_table, default -%}
    {%- set chunks = customer_retention._window_chunks() -%}
    {%- set mark = customer_retention._chunk_mark() -%}
    {%- if chunks > 1 and mark not in sql -%}
        {{ exceptions.raise_compiler_error(
            "chunked_table: " ~ this ~ " has nothing to be cut by. Use `window_features`, or `where {" ~ "{ customer_retention.chunk_condition('customer_id') }" ~ "}`."
        ) }}
    {%- endif -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target = this.incorporate(type='table') -%}
    {%- set growing = make_intermediate_relation(target) -%}
    {%- set backup = make_backup_relation(target, 'table' if existing is none else existing.type) -%}
    {%- set grants = config.get('grants') -%}
    {{- drop_relation_if_exists(load_cached_relation(growing)) -}}
    {{- drop_relation_if_exists(load_cached_relation(backup)) -}}
    {{- run_hooks(pre_hooks, inside_transaction=False) -}}
    {{- run_hooks(pre_hooks, inside_transaction=True) -}}

    {%- for chunk in range(chunks) -%}
        {%- set part = sql | replace(mark, '= ' ~ chunk) -%}
        {%- call statement('main' if loop.last else 'chunk') -%}
            {%- if loop.first -%}
                {{ create_table_as(False, growing, part) }}
            {%- else -%}
                insert into {{ growing }}
                {{ part }}
            {%- endif -%}
        {%- endcall -%}
    {%- endfor -%}

    {%- do create_indexes(growing) -%}
    {%- if existing is not none -%}
        {%- set existing = load_cached_relation(existing) -%}
        {%- if existing is not none -%}
            {{- adapter.rename_relation(existing, backup) -}}
        {%- endif -%}
    {%- endif -%}
    {{- adapter.rename_relation(growing, target) -}}
    {{- run_hooks(post_hooks, inside_transaction=True) -}}
    {%- do apply_grants(target, grants, should_revoke=should_revoke(existing, full_refresh_mode=True)) -%}
    {%- do persist_docs(target, model) -%}
    {{- adapter.commit() -}}
    {{- drop_relation_if_exists(backup) -}}
    {{- run_hooks(post_hooks, inside_transaction=False) -}}
    {{ return({'relations': [target]}) }}
{%- endmaterialization -%}

{#- Spark's tables are made in partitions as it is. -#}
{%- materialization chunked_table, adapter='spark', supported_languages=['sql'] -%}
    {{ return(dbt.materialization_table_spark()) }}
{%- endmaterialization -%}

{#- Spark's would drop the old table first, where Databricks replaces it. -#}
{%- materialization chunked_table, adapter='databricks', supported_languages=['sql'] -%}
    {{ return(dbt.materialization_table_databricks()) }}
{%- endmaterialization -%}
