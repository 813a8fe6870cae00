{%- macro duration_seconds(column, scale=3) -%}
    {{ return(adapter.dispatch('duration_seconds', 'customer_retention')(column, scale)) }}
{%- endmacro -%}

{%- macro default__duration_seconds(column, scale) -%}
    {%- set text = customer_retention.clean_text(column) -%}
    {%- set part = "nullif(regexp_extract(" ~ text ~ ", '%s', 1), '')" -%}
    {%- set type = 'decimal(18, ' ~ scale ~ ')' -%}
    case
        when {{ customer_retention.text_matches(text, '^-?([0-9]{1,9}:)?[0-9]{1,9}:[0-5]?[0-9]([.][0-9]+)?$') }}
            then cast(
                (
                    coalesce(try_cast({{ part | replace('%s', '([0-9]+):[0-9]+:') }} as {{ type }}), 0) * 3600
                    + try_cast({{ part | replace('%s', '([0-9]+):[0-9.]+$') }} as {{ type }}) * 60
                    + try_cast({{ part | replace('%s', '([0-9.]+)$') }} as {{ type }})
                ) * case when {{ text }} like '-%' then -1 else 1 end as {{ type }}
            )
    end
{%- endmacro -%}
