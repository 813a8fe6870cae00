{%- macro declare_keys() -%}
    {{ return(adapter.dispatch('declare_keys', 'customer_retention')()) }}
{%- endmacro -%}

{#- Elsewhere the tests of the keys are all there is: Spark has no keys, and DuckDB would build an index for each. -#}
{%- macro default__declare_keys() -%}
{%- endmacro -%}

{#- Unity Catalog does not check keys; it shows them, and its optimizer and feature store read them. -#}
{%- macro databricks__declare_keys() -%}
    {%- if execute and model.config.materialized not in ('view', 'ephemeral') -%}
        {%- for statement in customer_retention.key_statements(this, model.config.get('meta', {})) -%}
            {%- do run_query(statement) -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro -%}

{%- macro key_statements(table, meta) -%}
    {%- set statements = [] -%}
    {%- set key = meta.get('primary_key', []) -%}
    {%- for column in key -%}
        {%- do statements.append('alter table ' ~ table ~ ' alter column ' ~ adapter.quote(column) ~ ' set not null') -%}
    {%- endfor -%}
    {%- if key -%}
        {%- do statements.append('alter table ' ~ table ~ ' drop primary key if exists cascade') -%}
        {%- do statements.append(
            'alter table ' ~ table ~ ' add constraint ' ~ adapter.quote('pk_' ~ table.identifier) ~ ' primary key ('
            ~ customer_retention._key_columns(key) ~ ')'
        ) -%}
    {%- endif -%}
    {%- for other, columns in meta.get('foreign_keys', {}).items() -%}
        {%- set name = adapter.quote('fk_' ~ table.identifier ~ '__' ~ other) -%}
        {%- do statements.append('alter table ' ~ table ~ ' drop constraint if exists ' ~ name) -%}
        {%- do statements.append(
            'alter table ' ~ table ~ ' add constraint ' ~ name ~ ' foreign key (' ~ customer_retention._key_columns(columns)
            ~ ') references ' ~ table.incorporate(path={'identifier': other})
        ) -%}
    {%- endfor -%}
    {{ return(statements) }}
{%- endmacro -%}

{%- macro _key_columns(columns) -%}
    {%- for column in columns -%}
        {{ adapter.quote(column) }}{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro -%}
