{%- macro text_literal(text) -%}
    {{ return(adapter.dispatch('text_literal', 'customer_retention')(text)) }}
{%- endmacro -%}

{%- macro default__text_literal(text) -%}
    '{{ text | string | replace("'", "''") }}'
{%- endmacro -%}

{%- macro spark__text_literal(text) -%}
    '{{ text | string | replace("\\", "\\\\") | replace("'", "\\'") }}'
{%- endmacro -%}
