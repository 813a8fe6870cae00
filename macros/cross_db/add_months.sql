{%- macro add_months(timestamp, months) -%}
    {{ return(adapter.dispatch('add_months', 'customer_retention')(timestamp, months)) }}
{%- endmacro -%}

{%- macro default__add_months(timestamp, months) -%}
    ({{ timestamp }} + to_months(cast({{ months }} as integer)))
{%- endmacro -%}

{%- macro spark__add_months(timestamp, months) -%}
    timestampadd(month, {{ months }}, {{ timestamp }})
{%- endmacro -%}
