{%- macro english_month(text, language) -%}
    {{ return(adapter.dispatch('english_month', 'customer_retention')(text, language)) }}
{%- endmacro -%}

{%- macro default__english_month(text, language) -%}
    {#- Stems, so that short and full names are one. -#}
    {%- set stems = {
        'en': 'jan feb mar apr may jun jul aug sep oct nov dec',
        'de': 'jan feb mär|mae|mrz apr mai jun jul aug sep okt nov dez',
        'fr': 'jan fév|fev mar avr mai juin jui aoû|aou sep oct nov déc|dec',
        'es': 'ene feb mar abr may jun jul ago sep|set oct nov dic',
        'it': 'gen feb mar apr mag giu lug ago set ott nov dic',
        'pt': 'jan fev mar abr mai jun jul ago set out nov dez',
        'nl': 'jan feb maa|mrt apr mei jun jul aug sep okt nov dec',
    } -%}
    {%- if language not in stems -%}
        {{ exceptions.raise_compiler_error(
            "to_timestamp: `language` " ~ language ~ " is not known. Choose one of " ~ stems | join(', ') ~ "."
        ) }}
    {%- endif -%}
    {%- set word = 'regexp_extract(' ~ text ~ ", '([^-0-9 .,/:+]{3,}[.]?)', 1)" -%}
    replace(
            {{ text }},
            {{ word }},
            case
                {%- for stem in stems[language].split(' ') %}
                {%- set month = loop.index0 %}
                {%- for start in stem.split('|') %}
                when lower({{ word }}) like '{{ start }}%' then '{{ 'JanFebMarAprMayJunJulAugSepOctNovDec'[3 * month:3 * month + 3] }}'
                {%- endfor %}
                {%- endfor %}
                else {{ word }}
            end
        )
{%- endmacro -%}
