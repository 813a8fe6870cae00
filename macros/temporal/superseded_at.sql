{%- macro superseded_at(key, known_at, tie_breakers=[]) -%}
    {{ return(adapter.dispatch('superseded_at', 'customer_retention')(key, known_at, tie_breakers)) }}
{%- endmacro -%}

{%- macro default__superseded_at(key, known_at, tie_breakers) -%}
    {%- if tie_breakers is string -%}
        {{ exceptions.raise_compiler_error("superseded_at: `tie_breakers` must be a list of columns, such as ['" ~ tie_breakers ~ "'].") }}
    {%- endif -%}
    lead({{ known_at }}) over (
            partition by {{ key }}
            order by
                {{ known_at }} nulls last
                {%- for column in tie_breakers %},
                {{ column }} nulls last
                {%- endfor %}
        )
{%- endmacro -%}
