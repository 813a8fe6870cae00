{%- macro changed_rows(spine, entity, inputs) -%}
    {{ return(adapter.dispatch('changed_rows', 'customer_retention')(spine, entity, inputs)) }}
{%- endmacro -%}

{%- macro default__changed_rows(spine, entity, inputs) -%}
{%- set definition = customer_retention._definition_of_model() -%}
{%- set kept = customer_retention._table_to_keep('row_fingerprint', definition) -%}
{%- set keys = [entity, 'feature_timestamp'] -%}
{%- set hashes = ['0'] -%}
{%- for input in inputs -%}
    {%- do hashes.append('input_' ~ loop.index ~ '.input_hash') -%}
{%- endfor -%}
select
    wanted.{{ entity }},
    wanted.feature_timestamp,
    wanted.row_fingerprint
from (
    select
        spine.{{ entity }},
        spine.feature_timestamp,
        concat('{{ definition }}:', {{ customer_retention.to_text(customer_retention.hash_value(hashes)) }}) as row_fingerprint
    from {{ spine }} as spine
    {%- for input in inputs %}
    {%- set alias = 'input_' ~ loop.index %}
    {%- set input_keys = input.get('keys', keys) %}
    left join (
        select
            {{ input_keys | join(', ') }},
            {{ customer_retention._hash_of_row('input', input.get('columns')) }} as input_hash
        from {{ input.relation }} as input
    ) as {{ alias }}
        on {{ customer_retention._same_key(input_keys, 'spine', alias) }}
    {%- endfor %}
) as wanted
{%- if kept %}
{{ customer_retention._mark_of_changes() }}
where
    not exists (
        select 1
        from {{ kept }} as kept
        where
            {{ customer_retention._same_key(keys, 'kept', 'wanted') }}
            and kept.row_fingerprint = wanted.row_fingerprint
    )
{%- endif %}
{%- endmacro -%}

{#- Private: a hash of some columns of a row, or of all. -#}
{%- macro _hash_of_row(alias, columns) -%}
    {{ return(adapter.dispatch('_hash_of_row', 'customer_retention')(alias, columns)) }}
{%- endmacro -%}

{%- macro default___hash_of_row(alias, columns) -%}
    {{ customer_retention.hash_value(columns or [alias]) }}
{%- endmacro -%}

{#- Without the names, `xxhash64(*)` would not tell which value is null; a JSON text does. -#}
{%- macro spark___hash_of_row(alias, columns) -%}
    {{ customer_retention.hash_value(columns or ['to_json(struct(' ~ alias ~ '.*))']) }}
{%- endmacro -%}

{#- Private: a hash of what the model says: its SQL before Jinja, and the columns of its contract. -#}
{%- macro _definition_of_model() -%}
    {%- set columns = [] -%}
    {%- for column in model.columns.values() -%}
        {%- do columns.append([column.name, column.get('data_type')]) -%}
    {%- endfor -%}
    {{ return(local_md5(tojson([model.raw_code, columns]))[:8]) }}
{%- endmacro -%}

{#-
    Private: this model's table, if a run may keep rows of it: all of them begin their fingerprint with this definition.
    None where a run makes all rows.
-#}
{%- macro _table_to_keep(fingerprint, definition) -%}
    {{ return(adapter.dispatch('_table_to_keep', 'customer_retention')(fingerprint, definition)) }}
{%- endmacro -%}

{%- macro default___table_to_keep(fingerprint, definition) -%}
    {{ return(none) }}
{%- endmacro -%}

{%- macro duckdb___table_to_keep(fingerprint, definition) -%}
    {%- if not execute or config.get('materialized') != 'daily_table' or should_full_refresh() -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set table = load_cached_relation(this) -%}
    {%- if table is none or table.type != 'table' -%}
        {{ return(none) }}
    {%- endif -%}
    {%- if fingerprint not in adapter.get_columns_in_relation(table) | map(attribute='name') | list -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set others = run_query(
        "select 1 from " ~ table ~ " where not coalesce(starts_with(" ~ fingerprint ~ ", '" ~ definition ~ ":'), false) limit 1"
    ) -%}
    {{ return(none if others.rows | length else table) }}
{%- endmacro -%}
