{%- macro sorted_list(value, condition=none) -%}
    {{ return(adapter.dispatch('sorted_list', 'customer_retention')(value, condition)) }}
{%- endmacro -%}

{%- macro default__sorted_list(value, condition) -%}
    list({{ value }} order by {{ value }})
    {%- if condition %} filter (where {{ condition }}){% endif -%}
{%- endmacro -%}

{%- macro spark__sorted_list(value, condition) -%}
    {#- What is null is not collected; a list of nothing is null, as on DuckDB. -#}
    {%- set value = 'case when ' ~ condition ~ ' then ' ~ value ~ ' end' if condition else value -%}
    case when count({{ value }}) > 0 then sort_array(collect_list({{ value }})) end
{%- endmacro -%}
