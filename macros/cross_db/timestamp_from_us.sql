{%- macro timestamp_from_us(microseconds) -%}
    {{ return(adapter.dispatch('timestamp_from_us', 'customer_retention')(microseconds)) }}
{%- endmacro -%}

{%- macro default__timestamp_from_us(microseconds) -%}
    make_timestamp({{ microseconds }})
{%- endmacro -%}

{%- macro spark__timestamp_from_us(microseconds) -%}
    timestamp_micros({{ microseconds }})
{%- endmacro -%}
