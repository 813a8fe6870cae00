{%- macro attach_raw_files() -%}
    {#- Replay sets the variable to false: its raw tables are copies, cut off at a time. -#}
    {%- if execute and var('attach_raw_files', true) -%}
        {{ adapter.dispatch('attach_raw_files', 'customer_retention')() }}
    {%- endif -%}
{%- endmacro -%}

{#- Elsewhere the raw tables are loaded by other means, into the schema that the sources name. -#}
{%- macro default__attach_raw_files() -%}
{%- endmacro -%}

{%- macro duckdb__attach_raw_files() -%}
    {%- for node in graph.sources.values() -%}
        {%- set file = node.config.get('meta', {}).get('file') or node.get('meta', {}).get('file') -%}
        {%- if file -%}
            {%- set schema = api.Relation.create(database=node.database, schema=node.schema) -%}
            {%- set view = api.Relation.create(database=node.database, schema=node.schema, identifier=node.identifier) -%}
            {%- do run_query('create schema if not exists ' ~ schema.without_identifier()) -%}
            {%- do run_query('create or replace view ' ~ view ~ ' as ' ~ customer_retention.raw_file_rows(file)) -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro -%}

{#- On DuckDB alone: `retention build` reads the files with it for other engines. -#}
{%- macro raw_file_rows(file) -%}
    {%- set query = customer_retention._raw_file_query(customer_retention._raw_file_path(file), file) -%}
    {%- if file.row_number -%}
        {#- DuckDB keeps the order of a file. -#}
        {%- set query = 'select row_number() over () as row_number_, * from (' ~ query ~ ')' -%}
    {%- endif -%}
    {{ return(query) }}
{%- endmacro -%}

{#- Private: where a raw file lies, as a pattern that matches nothing else; an error when it is not there. -#}
{%- macro _raw_file_path(file) -%}
    {#- A converted file belongs to the project, wherever the raw files are. -#}
    {%- set is_own = file.in_project | default(false) -%}
    {%- set folder = '.' if is_own else env_var('RETENTION_RAW_DIR', '') or var('raw_dir', '.') -%}
    {%- if not modules.re.match('^(/|[A-Za-z]:|[a-z0-9]+://)', folder) -%}
        {%- set folder = invocation_args_dict.project_dir ~ '/' ~ folder -%}
    {%- endif -%}
    {%- set full_path = folder ~ '/' ~ file.path -%}
    {%- set pattern = modules.re.sub('([*?\\[])', '[\\1]', full_path) -%}
    {%- if '://' not in full_path -%}
        {%- set found = run_query('select count(*) from glob(' ~ customer_retention.text_literal(pattern) ~ ')') -%}
        {%- if found.columns[0].values()[0] == 0 -%}
            {{ exceptions.raise_compiler_error(
                "The raw file " ~ full_path ~ " is not there. "
                ~ ("It is made from " ~ file.converted_from.path ~ ": run `retention build`." if is_own and file.converted_from
                else "Put it back, or say where the raw files are: set RETENTION_RAW_DIR, or `raw_dir` under vars in dbt_project.yml.")
            ) }}
        {%- endif -%}
    {%- endif -%}
    {{ return(pattern) }}
{%- endmacro -%}

{#- Private: the query that reads a file; text files stay text, typing them is the work of bronze. -#}
{%- macro _raw_file_query(path, file) -%}
    {%- set options = file.options | default({}) -%}
    {%- if file.format == 'parquet' -%}
        {{ return('select * from read_parquet(' ~ customer_retention.text_literal(path) ~ ')') }}
    {%- elif file.format == 'csv' -%}
        {%- do customer_retention._check_header(path, file) -%}
        {{ return('select * from ' ~ customer_retention._read_csv(path, options, options.names, options.header | default(true))) }}
    {%- elif file.format == 'whitespace' -%}
        {%- set columns = [] -%}
        {%- for name in options.names -%}
            {%- do columns.append('parts[' ~ loop.index ~ '] as ' ~ customer_retention.raw_column(name)) -%}
        {%- endfor -%}
        {%- set line = "trim(line, ' ' || chr(9) || chr(13))" -%}
        {{ return(
            'select ' ~ columns | join(', ') ~ ' from (select regexp_split_to_array(' ~ line ~ ", '\\s+') as parts from "
            ~ customer_retention._read_csv(path, options, ['line'], options.header | default(true))
            ~ ' where ' ~ line ~ " <> '')"
        ) }}
    {%- else -%}
        {{ exceptions.raise_compiler_error(
            "meta.file of a source: format `" ~ file.format ~ "` is not known. Choose csv, whitespace or parquet."
        ) }}
    {%- endif -%}
{%- endmacro -%}

{#- Private: DuckDB's reader with every choice made, so that it neither guesses nor skips. -#}
{%- macro _read_csv(path, options, names, header) -%}
    {%- set literal = customer_retention.text_literal -%}
    {%- set settings = ['auto_detect = false', 'header = ' ~ header | string | lower] -%}
    {%- if names == ['line'] and 'delim' not in options -%}
        {%- do settings.append("delim = chr(1), quote = '', escape = ''") -%}
    {%- endif -%}
    {%- for key in ['delim', 'quote', 'escape', 'new_line', 'encoding', 'compression'] if key in options -%}
        {%- do settings.append(key ~ ' = ' ~ literal(options[key])) -%}
    {%- endfor -%}
    {%- for key in ['skip', 'max_line_size'] if key in options -%}
        {%- do settings.append(key ~ ' = ' ~ options[key] | int) -%}
    {%- endfor -%}
    {%- if 'strict_mode' in options -%}
        {%- do settings.append('strict_mode = ' ~ options.strict_mode | string | lower) -%}
    {%- endif -%}
    {%- set columns = [] -%}
    {%- for name in names -%}
        {%- do columns.append(literal(name) ~ ": 'VARCHAR'") -%}
    {%- endfor -%}
    {{ return(
        'read_csv(' ~ literal(path) ~ ', ' ~ settings | join(', ') ~ ', columns = {' ~ columns | join(', ') ~ '})'
    ) }}
{%- endmacro -%}

{#- Private: columns are read by their place, so a file whose columns moved must be refused. -#}
{%- macro _check_header(path, file) -%}
    {%- set options = file.options -%}
    {%- if options.header | default(true) -%}
        {%- set found = run_query(
            'select * from ' ~ customer_retention._read_csv(path, options, options.names, false) ~ ' limit 1'
        ) -%}
        {%- for name in options.names if found.rows | length -%}
            {%- set cell = found.rows[0][loop.index0] -%}
            {#- A blank name got a number, and so did a repeated one. -#}
            {%- if cell is not none and cell | trim and not name.startswith(cell) -%}
                {{ exceptions.raise_compiler_error(
                    "The columns of " ~ file.path ~ " changed: number " ~ loop.index ~ " is now `" ~ cell ~ "` and was `" ~ name
                    ~ "`. Bring the old order back, or write the source's options anew."
                ) }}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro -%}
