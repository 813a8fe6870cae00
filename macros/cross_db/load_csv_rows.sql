{#-
    dbt's own step of loading a seed, on Spark. The adapter's version binds values that the session method turns into text by
    itself: a null becomes the word None, a quote breaks the statement, a time loses its microseconds.
-#}
{%- macro spark__load_csv_rows(model, agate_table) -%}
    {%- set declared = model['config'].get('column_types', {}) -%}
    {%- set types = [] -%}
    {%- for name in agate_table.column_names -%}
        {%- do types.append(declared.get(name, adapter.convert_type(agate_table, loop.index0))) -%}
    {%- endfor -%}
    {%- set statements = [] -%}
    {%- for chunk in agate_table.rows | batch(get_batch_size()) -%}
        {%- set statement -%}
insert {{ 'overwrite' if loop.first else 'into' }} {{ this.render() }} values
{%- for row in chunk %}
({%- for value in row -%}
    cast({{ 'null' if value is none else customer_retention.text_literal(value) }} as {{ types[loop.index0] }}){{ ', ' if not loop.last }}
{%- endfor -%}){{ ',' if not loop.last }}
{%- endfor -%}
        {%- endset -%}
        {%- do adapter.add_query(statement, abridge_sql_log=True) -%}
        {%- do statements.append(statement) -%}
    {%- endfor -%}
    {{ return(statements | first) }}
{%- endmacro -%}
