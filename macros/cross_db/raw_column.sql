{%- macro raw_column(name) -%}
    {{ return(adapter.dispatch('raw_column', 'customer_retention')(name)) }}
{%- endmacro -%}

{#- Unlike `adapter.quote`, this doubles the quotes inside: a raw name may hold anything. -#}
{%- macro default__raw_column(name) -%}
    "{{ name | replace('"', '""') }}"
{%- endmacro -%}

{%- macro spark__raw_column(name) -%}
    `{{ name | replace('`', '``') }}`
{%- endmacro -%}
