{%- macro sorted_list(value, condition) -%}
    {{ return(adapter.dispatch('sorted_list', 'customer_retention')(value, condition)) }}
{%- endmacro -%}

{%- macro default__sorted_list(value, condition) -%}
    list({{ value }} order by {{ value }}) filter (where {{ condition }})
{%- endmacro -%}

{%- macro spark__sorted_list(value, condition) -%}
    {#- What is null is not collected. -#}
    case when count(case when {{ condition }} then 1 end) > 0 then sort_array(collect_list(case when {{ condition }} then {{ value }} end)) end
{%- endmacro -%}
