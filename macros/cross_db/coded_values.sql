{%- macro coded_values(bits, codes, more) -%}
    {{ return(adapter.dispatch('coded_values', 'customer_retention')(bits, codes, more)) }}
{%- endmacro -%}

{%- macro default__coded_values(bits, codes, more) -%}
    {%- set listed = "(select list({'seen': seen, 'bit': " ~ customer_retention.shift_left_one('code') ~ "} order by seen) from " ~ codes ~ " where code < 63)" -%}
    {%- set coded = 'list_transform(list_filter(' ~ listed ~ ', lambda value: (' ~ bits ~ ' & value.bit) <> 0), lambda value: value.seen)' -%}
    case
            when coalesce({{ bits }}, 0) = 0 then {{ more }}
            when {{ more }} is null then {{ coded }}
            else list_sort(list_concat({{ coded }}, {{ more }}))
        end
{%- endmacro -%}

{%- macro spark__coded_values(bits, codes, more) -%}
    {%- set listed = "(select sort_array(collect_list(named_struct('seen', seen, 'bit', " ~ customer_retention.shift_left_one('code') ~ "))) from " ~ codes ~ " where code < 63)" -%}
    {%- set coded = 'transform(filter(' ~ listed ~ ', value -> (' ~ bits ~ ' & value.bit) <> 0), value -> value.seen)' -%}
    case
            when coalesce({{ bits }}, 0) = 0 then {{ more }}
            when {{ more }} is null then {{ coded }}
            else sort_array(concat({{ coded }}, {{ more }}))
        end
{%- endmacro -%}
