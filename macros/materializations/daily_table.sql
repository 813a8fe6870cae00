{#-
    A table kept up to date: a run makes the rows that are missing or were made from something else, takes out those that
    the spine no longer has, and leaves the others as they are. All in one transaction, so a run that is killed leaves the
    old table. Whether rows can be kept is decided where the model's SQL is made, in `_table_to_keep`; where they cannot,
    the whole table is made and replaces the old one.
-#}
{%- materialization daily_table, default -%}
    {{ return(dbt.materialization_table_default()) }}
{%- endmaterialization -%}

{#- Every build makes all rows there: parquet cannot be changed in place. -#}
{%- materialization daily_table, adapter='spark', supported_languages=['sql'] -%}
    {{ return(dbt.materialization_table_spark()) }}
{%- endmaterialization -%}

{%- materialization daily_table, adapter='databricks', supported_languages=['sql'] -%}
    {{ return(dbt.materialization_table_databricks()) }}
{%- endmaterialization -%}

{%- materialization daily_table, adapter='duckdb', supported_languages=['sql'] -%}
    {%- if customer_retention._mark_of_changes() not in sql -%}
        {{ return(dbt.materialization_table_duckdb()) }}
    {%- endif -%}
    {%- set key = config.require('unique_key') -%}
    {%- set spine = ref(config.get('meta', {}).get('spine', 'slv_spine')) -%}
    {%- set target = this.incorporate(type='table') -%}
    {%- set temporary = make_temp_relation(target) -%}
    {%- set changes = temporary.include(database=false, schema=false) -%}
    {{- run_hooks(pre_hooks, inside_transaction=False) -}}
    {{- run_hooks(pre_hooks, inside_transaction=True) -}}

    {%- do run_query(create_table_as(True, temporary, sql)) -%}
    {%- set columns = adapter.get_columns_in_relation(target) -%}
    {%- do customer_retention._require_same_columns(target, columns, changes) -%}
    {%- set names = get_quoted_csv(columns | map(attribute='name')) -%}
    {%- call statement('main') -%}
        delete from {{ target }} as kept
        where
            exists (select 1 from {{ changes }} as changes where {{ customer_retention._same_key(key, 'changes', 'kept') }})
            or not exists (select 1 from {{ spine }} as spine where {{ customer_retention._same_key(key, 'spine', 'kept') }});
        insert into {{ target }} ({{ names }})
        select {{ names }}
        from {{ changes }}
    {%- endcall -%}

    {%- do apply_grants(target, config.get('grants'), should_revoke=true) -%}
    {%- do persist_docs(target, model) -%}
    {{- run_hooks(post_hooks, inside_transaction=True) -}}
    {%- do run_query('drop table ' ~ changes) -%}
    {{- adapter.commit() -}}
    {{- run_hooks(post_hooks, inside_transaction=False) -}}
    {{ return({'relations': [target]}) }}
{%- endmaterialization -%}

{#- Private: the comment in the SQL of a model by which the materialization sees that it makes changed rows alone. -#}
{%- macro _mark_of_changes() -%}
    {{ return('/* changed rows */') }}
{%- endmacro -%}

{%- macro _same_key(key, left, right) -%}
    {%- for column in key -%}
        {{ left }}.{{ column }} = {{ right }}.{{ column }}{{ ' and ' if not loop.last }}
    {%- endfor -%}
{%- endmacro -%}

{#- Private: rows with other columns cannot stand beside those that are kept. -#}
{%- macro _require_same_columns(target, columns, changes) -%}
    {%- set made = [] -%}
    {%- for row in run_query('describe ' ~ changes).rows -%}
        {%- do made.append([row[0] | lower, row[1] | lower]) -%}
    {%- endfor -%}
    {%- set stored = [] -%}
    {%- for column in columns -%}
        {%- do stored.append([column.name | lower, column.dtype | lower]) -%}
    {%- endfor -%}
    {%- if made | sort != stored | sort -%}
        {{ exceptions.raise_compiler_error(
            "daily_table: " ~ target ~ " has other columns than its model makes now, so its rows cannot be kept. Run `retention build --full-refresh --select " ~ target.identifier ~ "`."
        ) }}
    {%- endif -%}
{%- endmacro -%}
