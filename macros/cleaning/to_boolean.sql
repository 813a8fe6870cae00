{%- macro to_boolean(column) -%}
    {{ return(adapter.dispatch('to_boolean', 'customer_retention')(column)) }}
{%- endmacro -%}

{%- macro default__to_boolean(column) -%}
    case
        when lower({{ customer_retention.trimmed(column) }}) in ('true', 't', 'yes', 'y', '1') then true
        when lower({{ customer_retention.trimmed(column) }}) in ('false', 'f', 'no', 'n', '0') then false
    end
{%- endmacro -%}
