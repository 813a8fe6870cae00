{#-
    dbt's own step of loading a seed, on Spark. The adapter's version binds values that the session method turns into text by
    itself: a null becomes the word None, a quote breaks the statement, a time loses its microseconds. Rows travel as one
    text in JSON: an expression for each cell would take Spark longer to parse than to store.
-#}
{%- macro spark__load_csv_rows(model, agate_table) -%}
    {%- set declared = model['config'].get('column_types', {}) -%}
    {%- set columns = [] -%}
    {%- for name in agate_table.column_names -%}
        {%- set type = declared.get(name, adapter.convert_type(agate_table, loop.index0)) -%}
        {%- do columns.append('cast(cells[' ~ loop.index0 ~ '] as ' ~ type ~ ')') -%}
    {%- endfor -%}
    {%- set statements = [] -%}
    {%- for chunk in agate_table.rows | batch(get_batch_size()) -%}
        {%- set rows = [] -%}
        {%- for row in chunk -%}
            {%- set cells = [] -%}
            {%- for value in row -%}
                {%- do cells.append(none if value is none else value | string) -%}
            {%- endfor -%}
            {%- do rows.append(cells) -%}
        {%- endfor -%}
        {%- set statement -%}
insert {{ 'overwrite' if loop.first else 'into' }} {{ this.render() }}
select {{ columns | join(', ') }}
from (select explode(from_json({{ customer_retention.text_literal(tojson(rows)) }}, 'array<array<string>>')) as cells)
        {%- endset -%}
        {%- do adapter.add_query(statement, abridge_sql_log=True) -%}
        {%- do statements.append(statement) -%}
    {%- endfor -%}
    {{ return(statements | first) }}
{%- endmacro -%}
