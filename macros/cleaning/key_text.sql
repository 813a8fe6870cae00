{%- macro key_text(column, strip_point_zero=false, strip_zeros=false) -%}
    {{ return(adapter.dispatch('key_text', 'customer_retention')(column, strip_point_zero, strip_zeros)) }}
{%- endmacro -%}

{%- macro default__key_text(column, strip_point_zero, strip_zeros) -%}
    {%- set text = customer_retention.clean_text(column) -%}
    {%- if strip_point_zero -%}
        {%- set text = "regexp_replace(" ~ text ~ ", '[.]0$', '')" -%}
    {%- endif -%}
    {%- if strip_zeros -%}
        case when {{ text }} is not null then coalesce(nullif(trim(leading '0' from {{ text }}), ''), '0') end
    {%- else -%}
        {{ text }}
    {%- endif -%}
{%- endmacro -%}
