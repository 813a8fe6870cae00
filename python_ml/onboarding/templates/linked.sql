-- grain: one row of [[ source.events ]] that bronze kept, with its [[ source.gains | join(' and ') ]]; none is dropped here
--
-- A row counts as known once both it and what it was linked through are known: a link that was learnt later must not be
-- visible earlier.
with

[[ source.name ]] as (
    select * from {{ ref('brz_[[ project ]]__[[ source.name ]]') }}
),
[% for link in source.links %]
[%- if link.is_unique %]
[[ link.alias ]] as (
    select
        [[ link.parent_column ]][% if link.has_key %] as [[ link.key ]][% endif %],
[%- for column, name in link.brings %]
        [[ column ]][% if column != name %] as [[ name ]][% endif %][[ "," if not loop.last or link.known_sql ]]
[%- endfor %]
[%- if link.known_sql %]
        [[ link.known_sql ]] as [[ link.known_name ]]
[%- endif %]
    from {{ ref('[[ link.model ]]') }}
),
[%- else %]
-- [[ link.spelling_words ]]
[[ link.alias ]] as (
    select
        [[ link.parent_key_sql ]] as [[ link.key ]],
[%- for column, name in link.brings %]
        min([[ column ]]) as [[ name ]][[ "," if not loop.last or link.known_sql ]]
[%- endfor %]
[%- if link.known_sql %]
        min([[ link.known_sql ]]) as [[ link.known_name ]]
[%- endif %]
    from {{ ref('[[ link.model ]]') }}
    group by 1
),
[%- endif %]
[% if link.agreeing %]
-- copies of a key that disagree from the start: nobody can tell which of them is right
[[ link.ambiguous ]] as (
    select [[ link.key ]]
    from (
        select
            [[ link.parent_key_sql ]][% if link.parent_key_sql != link.key %] as [[ link.key ]][% endif %],
            [[ link.agreeing ]] as points_at[% if link.first_known_sql %],
            [[ link.first_known_sql ]] as copy_known_at,
            min([[ link.first_known_sql ]]) over (partition by [[ link.parent_key_sql ]]) as first_known_at[% endif %]
        from {{ ref('brz_[[ project ]]__[[ link.parent ]]__checked') }}
        where quarantine_reason is null[% if link.duplicate %] or quarantine_reason = '[[ link.duplicate ]]'[% endif %]
    ) as copies
[%- if link.first_known_sql %]
    where copy_known_at = first_known_at
[%- endif %]
    group by [[ link.key ]]
    having count(distinct points_at) > 1
),
[% endif %]
[%- endfor %]
linked as (
    select
        [[ source.name ]].*,
[%- for link in source.links %]
[%- for column, name in link.brings %]
        [[ link.alias ]].[[ name ]],
[%- endfor %]
[%- if link.known_sql %]
        [[ link.alias ]].[[ link.known_name ]],
[%- endif %]
[%- endfor %]
        case
[%- for link in source.links %]
            when [[ source.name ]].[[ link.column ]] is null then 'missing [[ link.column ]]'
[%- if link.agreeing %]
            when [[ link.ambiguous ]].[[ link.key ]] is not null then 'ambiguous [[ link.column ]]'
[%- endif %]
            when [[ link.alias ]].[[ link.key ]] is null then 'unknown [[ link.column ]]'
[%- endfor %]
        end as quarantine_reason
    from [[ source.name ]]
[%- for link in source.links %]
    left join [[ link.alias ]]
        on [[ link.child_key_sql ]] = [[ link.alias ]].[[ link.key ]]
[%- if link.agreeing %]
    left join [[ link.ambiguous ]]
        on [[ link.child_key_sql ]] = [[ link.ambiguous ]].[[ link.key ]]
[%- endif %]
[%- endfor %]
),

final as (
    select
[%- for name in source.output %]
        [[ name ]],
[%- endfor %]
[%- if source.known %]
        [[ source.known_sql ]] as [[ source.known ]],
[%- endif %]
        quarantine_reason
    from linked
)

select * from final
