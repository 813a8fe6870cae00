{%- macro hash_value(expressions) -%}
    {{ return(adapter.dispatch('hash_value', 'customer_retention')(expressions)) }}
{%- endmacro -%}

{%- macro default__hash_value(expressions) -%}
    {#- An unsigned 64-bit number: the shift makes room for the sign of a bigint. -#}
    cast(hash({{ expressions | join(', ') }}) >> 1 as bigint)
{%- endmacro -%}

{%- macro spark__hash_value(expressions) -%}
    {#- xxhash64 passes over nulls: without the flags, (null, 1) and (1, null) would be one value. -#}
    {%- set parts = [] -%}
    {%- for expression in expressions -%}
        {%- do parts.extend([expression, expression ~ ' is null']) -%}
    {%- endfor -%}
    shiftrightunsigned(xxhash64({{ parts | join(', ') }}), 1)
{%- endmacro -%}
