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
            {%- set path = customer_retention._raw_file_path(file.path) -%}
            {%- set schema = api.Relation.create(database=node.database, schema=node.schema) -%}
            {%- set view = api.Relation.create(database=node.database, schema=node.schema, identifier=node.identifier) -%}
            {%- do run_query('create schema if not exists ' ~ schema.without_identifier()) -%}
            {%- do run_query('create or replace view ' ~ view ~ ' as ' ~ customer_retention._raw_file_query(path, file)) -%}
        {%- endif -%}
    {%- endfor -%}
{%- endmacro -%}

{#- Private: where a raw file lies, as a pattern that matches nothing else; an error when it is not there. -#}
{%- macro _raw_file_path(path) -%}
    {%- set folder = env_var('RETENTION_RAW_DIR', '') or var('raw_dir', '.') -%}
    {%- if not modules.re.match('^(/|[A-Za-z]:|[a-z0-9]+://)', folder) -%}
        {%- set folder = flags.PROJECT_DIR ~ '/' ~ folder -%}
    {%- endif -%}
    {%- set full_path = folder ~ '/' ~ path -%}
    {%- set pattern = modules.re.sub('([*?\\[])', '[\\1]', full_path) -%}
    {%- if '://' not in full_path -%}
        {%- set found = run_query('select count(*) from glob(' ~ customer_retention.text_literal(pattern) ~ ')') -%}
        {%- if found.columns[0].values()[0] == 0 -%}
            {{ exceptions.raise_compiler_error(
                "The raw file " ~ full_path ~ " is not there. Put it back, or say where the raw files are: "
                ~ "set RETENTION_RAW_DIR, or `raw_dir` under vars in dbt_project.yml."
            ) }}
        {%- endif -%}
    {%- endif -%}
    {{ return(pattern) }}
{%- endmacro -%}

{#- Private: the query that reads a file; text files stay text, typing them is the work of bronze. -#}
{%- macro _raw_file_query(path, file) -%}
    {%- set literal = customer_retention.text_literal -%}
    {%- set options = file.options | default({}) -%}
    {%- set header = options.get('header', true) | string | lower -%}
    {%- set settings = [] -%}
    {%- for key in ['encoding', 'compression'] if key in options -%}
        {%- do settings.append(', ' ~ key ~ ' = ' ~ literal(options[key])) -%}
    {%- endfor -%}
    {%- if file.format == 'parquet' -%}
        {{ return('select * from read_parquet(' ~ literal(path) ~ ')') }}
    {%- elif file.format == 'whitespace' -%}
        {%- set columns = [] -%}
        {%- for name in options.names -%}
            {%- do columns.append('parts[' ~ loop.index ~ '] as ' ~ customer_retention.raw_column(name)) -%}
        {%- endfor -%}
        {%- set line = "trim(line, ' ' || chr(9) || chr(13))" -%}
        {{ return(
            'select ' ~ columns | join(', ') ~ ' from (select regexp_split_to_array(' ~ line ~ ", '\\s+') as parts from read_csv("
            ~ literal(path) ~ ", delim = chr(1), quote = '', escape = '', header = " ~ header ~ ", auto_detect = false, columns = {'line': 'VARCHAR'}"
            ~ settings | join ~ ') where ' ~ line ~ " <> '')"
        ) }}
    {%- elif file.format == 'csv' -%}
        {%- for key in ['delim', 'quote', 'escape'] if key in options -%}
            {%- do settings.insert(loop.index0, ', ' ~ key ~ ' = ' ~ literal(options[key])) -%}
        {%- endfor -%}
        {%- if options.get('names') -%}
            {%- set names = [] -%}
            {%- for name in options.names -%}{%- do names.append(literal(name)) -%}{%- endfor -%}
            {%- do settings.append(', names = [' ~ names | join(', ') ~ ']') -%}
        {%- endif -%}
        {{ return(
            'select * from read_csv(' ~ literal(path) ~ ', all_varchar = true, header = ' ~ header ~ settings | join ~ ')'
        ) }}
    {%- else -%}
        {{ exceptions.raise_compiler_error("meta.file of a source: format `" ~ file.format ~ "` is not known. Choose csv, whitespace or parquet.") }}
    {%- endif -%}
{%- endmacro -%}
