{%- macro number_text(column, style='grouped') -%}
    {{ return(adapter.dispatch('number_text', 'customer_retention')(column, style)) }}
{%- endmacro -%}

{%- macro default__number_text(column, style) -%}
    {%- set text = customer_retention.clean_text(column) -%}
    {%- if style == 'plain' -%}
        {{ return(text) }}
    {%- endif -%}
    {%- set pattern = customer_retention._number_pattern(style) -%}
    {%- set kept = '[^0-9,]' if style == 'decimal_comma' else '[^0-9.]' -%}
    {%- set digits = customer_retention._digits(text, kept) -%}
    case
        when {{ customer_retention.text_matches(text, pattern) }}
            then case when {{ customer_retention.text_matches(text, '^[^-(−]*$') }} then '' else '-' end
                || {{ "replace(" ~ digits ~ ", ',', '.')" if style == 'decimal_comma' else digits }}
    end
{%- endmacro -%}

{#- Private: what a whole number with its sign, currency and percent sign looks like; signs never repeat. -#}
{%- macro _number_pattern(style) -%}
    {%- if style not in ('grouped', 'decimal_comma') -%}
        {{ exceptions.raise_compiler_error(
            "number_text: `" ~ style ~ "` is no style. Choose plain, grouped or decimal_comma."
        ) }}
    {%- endif -%}
    {%- set group, point = ('[.]', ',') if style == 'decimal_comma' else (',', '[.]') -%}
    {%- set space = '[\\x{20}\\x{a0}\\x{2009}\\x{202f}]' -%}
    {%- set gap = "(?:" ~ space ~ "|['’])" -%}
    {%- set number = '(?:(?:[0-9]+|[0-9]{1,3}(?:' ~ group ~ '[0-9]{3})+|[0-9]{1,2}(?:' ~ group ~ '[0-9]{2})+' ~ group
        ~ '[0-9]{3}|[0-9]{1,3}(?:' ~ gap ~ '[0-9]{3})+)(?:' ~ point ~ '[0-9]*)?|' ~ point ~ '[0-9]+)' -%}
    {#- A list, since SKU123 is no amount. -#}
    {%- set codes = 'USD|EUR|GBP|JPY|CHF|CAD|AUD|NZD|CNY|RMB|INR|BRL|MXN|SEK|NOK|DKK|ISK|PLN|CZK|HUF|RON|BGN|RSD|TRY|RUB|UAH|ZAR|'
        ~ 'ILS|AED|SAR|QAR|KWD|SGD|HKD|TWD|KRW|THB|IDR|MYR|PHP|VND|PKR|BDT|LKR|ARS|CLP|COP|PEN|UYU|EGP|NGN|KES|GHS|MAD|TND' -%}
    {%- set unit = '(?:(?:US|AU|CA|NZ|HK|A|C|R|S)?\\p{Sc}|' ~ codes ~ '|kr|zł|Kč|Ft|Fr|lei)' -%}
    {%- set before = '(?:' ~ unit ~ space ~ '?)?' -%}
    {%- set after = '(?:' ~ space ~ '?(?:' ~ unit ~ '|%))?' -%}
    {%- set sign = '[-+−]' ~ space ~ '?' -%}
    {{ return(
        '^(?:(?:' ~ sign ~ ')?' ~ before ~ number ~ after ~ '|' ~ before ~ sign ~ number ~ after
        ~ '|' ~ before ~ number ~ '-' ~ after ~ '|' ~ before ~ number ~ after ~ '-'
        ~ '|[(]' ~ before ~ number ~ after ~ '[)]|' ~ before ~ '[(]' ~ number ~ '[)]' ~ after ~ ')$'
    ) }}
{%- endmacro -%}

{%- macro _digits(text, others) -%}
    {{ return(adapter.dispatch('_digits', 'customer_retention')(text, others)) }}
{%- endmacro -%}

{%- macro default___digits(text, others) -%}
    regexp_replace({{ text }}, '{{ others }}', '', 'g')
{%- endmacro -%}

{%- macro spark___digits(text, others) -%}
    {#- Spark replaces all of them anyway. -#}
    regexp_replace({{ text }}, '{{ others }}', '')
{%- endmacro -%}
