{%- macro epoch_us(timestamp) -%}
    {{ return(adapter.dispatch('epoch_us', 'customer_retention')(timestamp)) }}
{%- endmacro -%}

{%- macro default__epoch_us(timestamp) -%}
    epoch_us({{ timestamp }})
{%- endmacro -%}

{%- macro spark__epoch_us(timestamp) -%}
    {#- unix_micros takes neither a date nor a timestamp_ntz. -#}
    unix_micros(cast({{ timestamp }} as timestamp))
{%- endmacro -%}
