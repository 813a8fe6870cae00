{%- macro last_known(column, partition_by, known_at, tie_breakers) -%}
    {{ return(adapter.dispatch('last_known', 'customer_retention')(column, partition_by, known_at, tie_breakers)) }}
{%- endmacro -%}

{%- macro default__last_known(column, partition_by, known_at, tie_breakers) -%}
    {%- if partition_by is string or tie_breakers is string or not partition_by or not tie_breakers -%}
        {{ exceptions.raise_compiler_error("last_known: `partition_by` and `tie_breakers` must be lists with at least one column.") }}
    {%- endif -%}
    {#- Only rows that were known earlier: a later value must not reach back. -#}
    coalesce({{ column }}, last_value({{ column }} ignore nulls) over (
            partition by {{ partition_by | join(', ') }}
            order by
                {{ known_at }} nulls last
                {%- for column in tie_breakers %},
                {{ column }} nulls last
                {%- endfor %}
            rows between unbounded preceding and 1 preceding
        ))
{%- endmacro -%}

{#- Spark takes the flag as an argument. -#}
{%- macro spark__last_known(column, partition_by, known_at, tie_breakers) -%}
    {{ customer_retention.default__last_known(column, partition_by, known_at, tie_breakers)
        | replace('last_value(' ~ column ~ ' ignore nulls)', 'last_value(' ~ column ~ ', true)') }}
{%- endmacro -%}
