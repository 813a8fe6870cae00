{%- macro raise_error(message, type) -%}
    {{ return(adapter.dispatch('raise_error', 'customer_retention')(message, type)) }}
{%- endmacro -%}

{%- macro default__raise_error(message, type) -%}
    cast(error({{ customer_retention.text_literal(message) }}) as {{ type }})
{%- endmacro -%}

{%- macro spark__raise_error(message, type) -%}
    cast(raise_error({{ customer_retention.text_literal(message) }}) as {{ type }})
{%- endmacro -%}
