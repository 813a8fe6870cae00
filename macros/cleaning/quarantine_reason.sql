{%- macro quarantine_reason(checks) -%}
    {{ return(adapter.dispatch('quarantine_reason', 'customer_retention')(checks)) }}
{%- endmacro -%}

{%- macro default__quarantine_reason(checks) -%}
    {%- if not checks -%}
        {{ exceptions.raise_compiler_error("quarantine_reason: `checks` is empty. Give a list of {when, reason}.") }}
    {%- endif -%}
    case
        {%- for check in checks %}
        when {{ check.when }} then {{ customer_retention.text_literal(check.reason) }}
        {%- endfor %}
    end
{%- endmacro -%}
