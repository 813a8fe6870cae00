{%- macro first_known_rank(key, known_at, tie_breakers, reason='quarantine_reason') -%}
    {{ return(adapter.dispatch('first_known_rank', 'customer_retention')(key, known_at, tie_breakers, reason)) }}
{%- endmacro -%}

{%- macro default__first_known_rank(key, known_at, tie_breakers, reason) -%}
    {%- if tie_breakers is string or not tie_breakers -%}
        {{ exceptions.raise_compiler_error("first_known_rank: `tie_breakers` must be a list of columns that tells rows apart.") }}
    {%- endif -%}
    {#- The first-known copy stays: a copy that arrives later must not change what was already visible. -#}
    row_number() over (
            partition by {{ key }}, case when {{ reason }} is null then 1 else 0 end
            order by
                {{ known_at }} nulls last
                {%- for column in tie_breakers %},
                {{ column }} nulls last
                {%- endfor %}
        )
{%- endmacro -%}
