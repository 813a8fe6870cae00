{%- macro coded_values(bits, codes, more) -%}
    {{ return(adapter.dispatch('coded_values', 'customer_retention')(bits, codes, more)) }}
{%- endmacro -%}

{%- macro default__coded_values(bits, codes, more) -%}
    {%- set coded = 'list_transform(list_filter(' ~ codes ~ ', lambda value: (' ~ bits ~ ' & value.bit) <> 0), lambda value: value.seen)' -%}
    {{ customer_retention._coded_and_more(bits, coded, more, 'list_sort(list_concat(' ~ coded ~ ', ' ~ more ~ '))') }}
{%- endmacro -%}

{%- macro spark__coded_values(bits, codes, more) -%}
    {%- set coded = 'transform(filter(' ~ codes ~ ', value -> (' ~ bits ~ ' & value.bit) <> 0), value -> value.seen)' -%}
    {{ customer_retention._coded_and_more(bits, coded, more, 'sort_array(concat(' ~ coded ~ ', ' ~ more ~ '))') }}
{%- endmacro -%}

{%- macro _coded_and_more(bits, coded, more, both) -%}
    case
            when coalesce({{ bits }}, 0) = 0 then {{ more }}
            when {{ more }} is null then {{ coded }}
            else {{ both }}
        end
{%- endmacro -%}
