{%- macro text_matches(text, pattern) -%}
    {{ return(adapter.dispatch('text_matches', 'customer_retention')(text, pattern)) }}
{%- endmacro -%}

{%- macro default__text_matches(text, pattern) -%}
    regexp_matches({{ text }}, {{ customer_retention.text_literal(pattern) }})
{%- endmacro -%}

{%- macro spark__text_matches(text, pattern) -%}
    ({{ text }} rlike {{ customer_retention.text_literal(pattern) }})
{%- endmacro -%}
