{#- Private: rows of the spine with small keys: integers where numbering is cheap. -#}
{%- macro _numbered_spine(declaration, rows) -%}
    {{ return(adapter.dispatch('_numbered_spine', 'customer_retention')(declaration, rows)) }}
{%- endmacro -%}

{#- `since_us` is there where rows come with states. -#}
{%- macro default___numbered_spine(declaration, rows) -%}
    {%- set entity = declaration.entity -%}
    {%- set resumes = rows == 'rows_with_state' -%}
    select
        {{ entity }},
        feature_timestamp,
        as_of_us,
        row_id,
        min(row_id) over (partition by {{ entity }}) as entity_number,
        {%- if resumes %}
        since_us,
        {%- endif %}
        coalesce(lag(as_of_us) over (partition by {{ entity }} order by row_id), {{ 'since_us' if resumes else '-9223372036854775807' }}) as previous_us
    from (
        select
            {{ entity }},
            feature_timestamp,
            {%- if resumes %}
            since_us,
            {%- endif %}
            {{ customer_retention.epoch_us('feature_timestamp') }} as as_of_us,
            cast(row_number() over (order by {{ entity }}, feature_timestamp) as integer) as row_id
        from {{ rows }}
        {%- set chunk = customer_retention.chunk_condition(entity) %}
        {%- if chunk %}
        where {{ chunk }}
        {%- endif %}
    ) as numbered
{%- endmacro -%}

{#- Numbering all rows would bring them to one machine. -#}
{%- macro spark___numbered_spine(declaration, rows) -%}
    {%- set entity = declaration.entity -%}
    {%- set resumes = rows == 'rows_with_state' -%}
    select
        {{ entity }},
        feature_timestamp,
        as_of_us,
        struct({{ entity }}, as_of_us) as row_id,
        {{ entity }} as entity_number,
        {%- if resumes %}
        since_us,
        {%- endif %}
        coalesce(lag(as_of_us) over (partition by {{ entity }} order by as_of_us), {{ 'since_us' if resumes else '-9223372036854775807' }}) as previous_us
    from (
        select
            {{ entity }},
            feature_timestamp,
            {%- if resumes %}
            since_us,
            {%- endif %}
            {{ customer_retention.epoch_us('feature_timestamp') }} as as_of_us
        from {{ rows }}
    ) as timed
{%- endmacro -%}
