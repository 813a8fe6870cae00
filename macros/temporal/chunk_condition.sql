{%- macro chunk_condition(entity) -%}
    {{ return(adapter.dispatch('chunk_condition', 'customer_retention')(entity)) }}
{%- endmacro -%}

{%- macro default__chunk_condition(entity) -%}
    {%- if config is defined and config.get('materialized') == 'chunked_table' -%}
        {{ return(customer_retention._first_chunk(entity, customer_retention._window_chunks())) }}
    {%- endif -%}
    {{ return(none) }}
{%- endmacro -%}

{#- Spark works in partitions, and spills them, by itself. -#}
{%- macro spark__chunk_condition(entity) -%}
    {{ return(none) }}
{%- endmacro -%}

{%- macro _first_chunk(entity, chunks) -%}
    {{ return(customer_retention.hash_value([entity]) ~ ' % ' ~ chunks ~ ' ' ~ customer_retention._chunk_mark()) }}
{%- endmacro -%}

{#- What the materialization counts on from: chunk 0, then 1, and so on. -#}
{%- macro _chunk_mark() -%}
    {{ return('= /* chunk */ 0') }}
{%- endmacro -%}

{#- In how many chunks, from the model's meta or the project's variable. -#}
{%- macro _window_chunks() -%}
    {%- set chunks = (config.get('meta') or {}).get('window_chunks', var('window_chunks', 1)) -%}
    {%- if chunks is not integer or chunks < 1 -%}
        {{ exceptions.raise_compiler_error("window_chunks: must be a whole number of at least 1, not `" ~ chunks ~ "`.") }}
    {%- endif -%}
    {{ return(chunks) }}
{%- endmacro -%}
