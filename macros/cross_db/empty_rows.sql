{%- macro empty_rows(columns) -%}
select
{%- for name, type in columns.items() %}
    cast(null as {{ type }}) as {{ name }}{{ ',' if not loop.last }}
{%- endfor %}
where 1 = 0
{%- endmacro -%}
