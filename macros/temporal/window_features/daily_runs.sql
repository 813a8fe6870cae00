{#- Private: daily runs of `window_features`: the rows that are to be made, and the events that matter to them. -#}

{#- The table that a run adds rows to; none where all rows are made. -#}
{%- macro _table_to_add_to(declaration, incremental) -%}
    {{ return(adapter.dispatch('_table_to_add_to', 'customer_retention')(declaration, incremental)) }}
{%- endmacro -%}

{%- macro default___table_to_add_to(declaration, incremental) -%}
    {#- Asked in this order, since dbt looks for the table to answer the last. -#}
    {%- if incremental and this is defined and config.get('materialized') == 'incremental' and is_incremental() -%}
        {%- if declaration.has_state -%}
            {%- do customer_retention._check_state_of_table(declaration) -%}
        {%- endif -%}
        {{ return(this) }}
    {%- elif config.get('materialized') == 'daily_table' -%}
        {%- if incremental != 'changed_rows' -%}
            {{ exceptions.raise_compiler_error("daily_table: a table keeps rows by their fingerprint, so it needs incremental='changed_rows'.") }}
        {%- endif -%}
        {{ return(customer_retention._table_to_keep(declaration.source ~ '_fingerprint', declaration.definition)) }}
    {%- endif -%}
    {{ return(none) }}
{%- endmacro -%}

{#- What the rows are read from: the spine, or the part of it that the run makes. -#}
{%- macro _rows_of_this_run(declaration) -%}
    {{ return('rows_with_state' if declaration.resumes else 'rows_to_compute' if declaration.table_to_add_to else declaration.spine) }}
{%- endmacro -%}

{#- The condition on events: where a run resumes, without those that are in everybody's state. -#}
{%- macro _events_of_this_run(declaration) -%}
    {%- if not declaration.resumes -%}
        {{ return(declaration.where) }}
    {%- endif -%}
    {%- set longest_us = declaration.longest_us -%}
    {%- set least = '(select min(since_us) from rows_with_state)' -%}
    {%- set happened = customer_retention.epoch_us(declaration.event_at) ~ (' + ' ~ longest_us if longest_us is not none else '') -%}
    {%- set matters = [happened ~ ' >= ' ~ least] -%}
    {%- if declaration.available_at is not none -%}
        {%- do matters.append(customer_retention.epoch_us(declaration.available_at) ~ ' >= ' ~ least) -%}
    {%- endif -%}
    {%- set matters = matters | join(' or ') -%}
    {{ return('(' ~ declaration.where ~ ') and (' ~ matters ~ ')' if declaration.where else matters) }}
{%- endmacro -%}

{#- A hash of the declaration and of all visible events: changes when either does. -#}
{%- macro _fingerprint(declaration, total) -%}
    concat('{{ declaration.definition }}:', {{ customer_retention.to_text('cast(coalesce(' ~ total ~ ', 0) as decimal(38, 0))') }})
{%- endmacro -%}

{#- The rows of the spine that a daily run has to make. -#}
{%- macro _rows_to_compute(declaration) -%}
{%- if declaration.has_fingerprint -%}
-- what each row was or would be made from
wanted_rows as (
    {{ customer_retention._numbered_spine(declaration, declaration.spine) }}
),

timed_changes as (
    {{ customer_retention._timed_events(declaration, declaration.where) }}
),

-- events at the first feature time that sees them{{ ', and at the first that no longer does' if declaration.has_versions }}
entered as (
    select
        row_id,
        sum(fingerprint) as fingerprint
    from (
        select
            wanted_rows.row_id,
            timed_changes.fingerprint
        from timed_changes
        inner join wanted_rows
            on
                timed_changes.{{ declaration.entity }} = wanted_rows.{{ declaration.entity }}
                and timed_changes.known_us < wanted_rows.as_of_us
                and timed_changes.known_us >= wanted_rows.previous_us
        {%- if declaration.has_versions %}
        union all
        {{ customer_retention._withdrawn_changes(declaration) | indent(4) }}
        {%- endif %}
    ) as changes
    group by row_id
),

fingerprints as (
    select
        wanted_rows.{{ declaration.entity }},
        wanted_rows.feature_timestamp,
        sum(entered.fingerprint) over (
            partition by wanted_rows.{{ declaration.entity }}
            order by wanted_rows.as_of_us
        ) as total
    from wanted_rows
    left join entered on wanted_rows.row_id = entered.row_id
),

-- rows that are missing, or were made from something else {{ customer_retention._mark_of_changes() }}
{%- else -%}
-- rows that are missing; those that were made stay as they are, since nothing that is known later can change them
{%- endif %}
rows_to_compute as {{ customer_retention.materialized_cte() }} (
    select
        wanted.{{ declaration.entity }},
        wanted.feature_timestamp
    from {{ 'fingerprints' if declaration.has_fingerprint else declaration.spine }} as wanted
    where
        not exists (
            select 1
            from {{ declaration.table_to_add_to }} as made
            where
                made.{{ declaration.entity }} = wanted.{{ declaration.entity }}
                and made.feature_timestamp = wanted.feature_timestamp
                {%- if declaration.has_fingerprint %}
                and made.{{ declaration.source }}_fingerprint = {{ customer_retention._fingerprint(declaration, 'wanted.total') }}
                {%- endif %}
        )
),
{%- endmacro -%}
