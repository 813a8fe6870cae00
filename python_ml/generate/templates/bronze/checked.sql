-- grain: one raw row of [[ source.title ]]; no row is dropped here, one that cannot be used has its reason
[%- set reason = "invalid_reason" if source.copy_columns else "quarantine_reason" %]
[%- set checks %]
[%- if source.checks %]
{{ customer_retention.quarantine_reason([
[%- for when, reason in source.checks %]
            {'when': [[ when ]], 'reason': '[[ reason ]]'},
[%- endfor %]
        ]) }}
[%- elif not source.has_rejected %]
cast(null as {{ dbt.type_string() }})
[%- endif %]
[%- endset %]
with

source as (
[%- if source.renames or source.has_rejected %]
    select
[%- for column in source.columns %]
        [[ column.raw_sql ]][[ "" if column.raw_sql == column.name else " as " ~ column.name ]][[ "," if not loop.last or source.line_columns ]]
[%- endfor %]
[%- for name in source.line_columns %]
        [[ name ]][[ "," if not loop.last ]]
[%- endfor %]
    from {{ source('[[ project ]]', '[[ source.name ]]') }}
[%- else %]
    select * from {{ source('[[ project ]]', '[[ source.name ]]') }}
[%- endif %]
),

typed as (
    select
[%- for column in source.columns %]
        [[ column.typed_sql ]][[ "" if column.typed_sql == column.name else " as " ~ column.name ]][[ "," if not loop.last or source.checked or source.line_columns ]]
[%- endfor %]
[%- for column in source.checked %]
        [[ column.raw_text_sql ]] as [[ column.raw_text ]][[ "," if not loop.last or source.line_columns ]]
[%- endfor %]
[%- for name in source.line_columns %]
        [[ name ]][[ "," if not loop.last ]]
[%- endfor %]
    from source
),
[%- set ns = namespace(last="typed") %]
[% if source.early_derived %]
keyed as (
    select
        *[% for column in source.early_derived %],
        [[ column.expression ]] as [[ column.name ]][% endfor %]
    from [[ ns.last ]]
),
[% set ns.last = "keyed" %][% endif %]
validated as (
    select
        *,
[%- if not source.has_rejected %]
        [[ checks | trim ]] as [[ reason ]]
[%- elif source.checks %]
        coalesce([[ source.line_columns[2] ]], [[ checks | trim ]]) as [[ reason ]]
[%- else %]
        [[ source.line_columns[2] ]] as [[ reason ]]
[%- endif %]
    from [[ ns.last ]]
),
[% set ns.last = "validated" %]
[%- if source.copy_columns %]
-- of several copies, the one that was known first is kept
ranked as (
    select
        *,
        {{ customer_retention.first_known_rank(
            key=[[ source.copy_columns | argument ]],
            known_at=[[ source.known_at ]],
            tie_breakers=[[ source.tie_breakers | list ]],
            reason='invalid_reason',
        ) }} as copy_rank
    from validated
),

deduplicated as (
    select
        *,
        case
            when invalid_reason is not null then invalid_reason
            when [[ source.copy_when ]] then '[[ source.copy_reason ]]'
        end as quarantine_reason
    from ranked
),
[% set ns.last = "deduplicated" %][% endif %]
[%- if source.superseded %]
-- a version counts until a newer one of the same row is known
versions as (
    select
        *,
        {{ customer_retention.superseded_at(
            key='[[ source.version_key ]], case when quarantine_reason is null then 1 else 0 end',
            known_at=[[ source.known_at ]],
            tie_breakers=[[ source.tie_breakers | list ]],
        ) }} as [[ source.superseded ]]
    from [[ ns.last ]]
),
[% set ns.last = "versions" %][% endif %]
[%- if source.imputed %]
imputed as (
    select
        {{ customer_retention.columns_except([[ source.imputed | list ]]) }},
[%- for column in source.columns if column.imputed_sql %]
        [[ column.imputed_sql ]] as [[ column.name ]][[ "," if not loop.last ]]
[%- endfor %]
    from [[ ns.last ]]
),
[% set ns.last = "imputed" %][% endif %]
[%- if source.derived %]
derived as (
    select
        *[% for column in source.derived %],
        try_cast([[ column.expression ]] as decimal(18, [[ column.scale ]])) as [[ column.name ]][% endfor %]
    from [[ ns.last ]]
),
[% set ns.last = "derived" %][% endif %]
[%- if source.reversal %]
-- a reversal is no activity
flagged as (
    select
        *,
        coalesce([[ source.reversal.condition ]], false) as is_reversal
    from [[ ns.last ]]
),
[% set ns.last = "flagged" %][% endif %]
final as (
    select
[%- for name in source.output %]
        [[ name ]],
[%- endfor %]
[%- for column in source.checked %]
        [[ column.raw_text ]],
[%- endfor %]
[%- for name in source.line_columns %]
        [[ name ]],
[%- endfor %]
        quarantine_reason
    from [[ ns.last ]]
)

select * from final
