[%- set own = model.alias -%]
-- grain: one row of [[ source.events ]] that bronze kept, with its [[ model.gains | listed ]]; none is dropped here
[%- if source.known %]
--
-- A row counts as known once both it and what gives it its customer or time are known: a link that was learnt later must
-- not be visible earlier.
[%- endif %]
[%- if model.guarded %]
--
-- A value that was known only after the row is null.
[%- endif %]
with

[[ own ]] as (
    select * from {{ ref('brz_[[ project ]]__[[ source.name ]]') }}
),
[% for parent in model.parents %]
[%- if parent.is_unique %]
[[ parent.alias ]] as (
    select
[%- for sql in parent.key_sql %]
        [[ sql ]][% if sql != parent.keys[loop.index0] %] as [[ parent.keys[loop.index0] ]][% endif %],
[%- endfor %]
[%- for b in parent.link.brings %]
        [[ b.column ]][% if b.column != b.name %] as [[ b.name ]][% endif %][[ "," if not loop.last or parent.known_sql ]]
[%- endfor %]
[%- if parent.known_sql %]
        [[ parent.known_sql ]] as [[ parent.known_name ]]
[%- endif %]
    from {{ ref('[[ parent.model ]]') }}
),
[%- else %]
-- one row per key, as it is compared: the one that was known first
[[ parent.alias ]] as (
    select
[%- for key in parent.keys %]
        [[ key ]],
[%- endfor %]
[%- for b in parent.link.brings %]
        [[ b.name ]][[ "," if not loop.last or parent.known_sql ]]
[%- endfor %]
[%- if parent.known_sql %]
        [[ parent.known_name ]]
[%- endif %]
    from (
        select
[%- for sql in parent.key_sql %]
            [[ sql ]][% if sql != parent.keys[loop.index0] %] as [[ parent.keys[loop.index0] ]][% endif %],
[%- endfor %]
[%- for b in parent.link.brings %]
            [[ b.column ]][% if b.column != b.name %] as [[ b.name ]][% endif %],
[%- endfor %]
[%- if parent.known_sql %]
            [[ parent.known_sql ]] as [[ parent.known_name ]],
[%- endif %]
            row_number() over (
                partition by [[ parent.key_sql | join(', ') ]]
                order by
[%- if parent.known_sql %]
                    [[ parent.known_sql ]] nulls last,
[%- endif %]
[%- for b in parent.link.brings %]
                    [[ b.column ]] nulls last[[ "," if not loop.last ]]
[%- endfor %]
            ) as key_rank
        from {{ ref('[[ parent.model ]]') }}
    ) as keyed
    where key_rank = 1
),
[%- endif %]
[% if parent.ambiguous %]
-- copies of a key that disagree from the start: it is not known which of them is right
[[ parent.ambiguous ]] as (
    select [[ parent.keys | join(', ') ]]
    from (
        select
[%- for sql in parent.key_sql %]
            [[ sql ]][% if sql != parent.keys[loop.index0] %] as [[ parent.keys[loop.index0] ]][% endif %],
[%- endfor %]
[%- for column in parent.agreeing %]
            [[ column ]] as points_at[[ "_" ~ loop.index if loop.index > 1 ]][[ "," if not loop.last or parent.first_known_sql ]]
[%- endfor %]
[%- if parent.first_known_sql %]
            [[ parent.first_known_sql ]] as copy_known_at,
            min([[ parent.first_known_sql ]]) over (partition by [[ parent.key_sql | join(', ') ]]) as first_known_at
[%- endif %]
        from {{ ref('brz_[[ project ]]__[[ parent.link.parent ]]__checked') }}
        where quarantine_reason is null[% if parent.duplicate %] or quarantine_reason = '[[ parent.duplicate ]]'[% endif %]
    ) as copies
[%- if parent.first_known_sql %]
    where copy_known_at = first_known_at
[%- endif %]
    group by [[ parent.keys | join(', ') ]]
    having
[%- for column in parent.agreeing %]
        [[ "or " if loop.index > 1 ]]count(distinct points_at[[ "_" ~ loop.index if loop.index > 1 ]]) > 1
[%- endfor %]
),
[% endif %]
[%- endfor %]
linked as (
    select
        [[ own ]].*,
[%- for parent in model.parents %]
[%- for b in parent.link.brings %]
        [[ parent.alias ]].[[ b.name ]],
[%- endfor %]
[%- if parent.known_sql %]
        [[ parent.alias ]].[[ parent.known_name ]],
[%- endif %]
[%- endfor %]
[%- if model.parents[0].link.is_required %]
        case
[%- for parent in model.parents if parent.link.is_required %]
[%- set named = parent.link.columns | join(', ') %]
            when [% for column in parent.link.columns %][[ " or " if not loop.first ]][[ own ]].[[ column ]] is null[% endfor %] then 'missing [[ named ]]'
[%- if parent.ambiguous %]
            when [[ parent.ambiguous ]].[[ parent.keys[0] ]] is not null then 'ambiguous [[ named ]]'
[%- endif %]
            when [[ parent.alias ]].[[ parent.keys[0] ]] is null then 'unknown [[ named ]]'
[%- for b in parent.nullable %]
            when [[ parent.alias ]].[[ b.name ]] is null then 'missing [[ b.name ]]'
[%- endfor %]
[%- endfor %]
        end as quarantine_reason
[%- else %]
        cast(null as {{ dbt.type_string() }}) as quarantine_reason
[%- endif %]
    from [[ own ]]
[%- for parent in model.parents %]
[%- for relation in [parent.alias, parent.ambiguous] if relation %]
    left join [[ relation ]]
[%- if parent.keys | length == 1 %]
        on [[ parent.child_key_sql[0] ]] = [[ relation ]].[[ parent.keys[0] ]]
[%- else %]
        on
[%- for key in parent.keys %]
            [[ "and " if not loop.first ]][[ parent.child_key_sql[loop.index0] ]] = [[ relation ]].[[ key ]]
[%- endfor %]
[%- endif %]
[%- endfor %]
[%- endfor %]
),

final as (
    select
[%- for name in model.output %]
[%- if name in model.guarded %]
        case when [[ model.guarded[name] ]] <= [[ model.known_sql ]] then [[ name ]] end as [[ name ]],
[%- else %]
        [[ name ]],
[%- endif %]
[%- endfor %]
[%- if source.known %]
        [[ model.known_sql ]] as [[ source.known ]],
[%- endif %]
        quarantine_reason
    from linked
)

select * from final
