{%- macro utc_day(timestamp) -%}
    {{ return(adapter.dispatch('utc_day', 'customer_retention')(timestamp)) }}
{%- endmacro -%}

{%- macro default__utc_day(timestamp) -%}
    (cast({{ timestamp }} as date) - date '1970-01-01')
{%- endmacro -%}

{%- macro spark__utc_day(timestamp) -%}
    {#- A date would be that of the session's time zone. -#}
    {{ customer_retention.floor_divide(customer_retention.epoch_us(timestamp), 86400000000) }}
{%- endmacro -%}
