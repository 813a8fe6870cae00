-- grain: one raw row of [[ model.title ]]; no row is dropped here, one that cannot be used has its reason
[%- set reason = "invalid_reason" if model.copy_columns else "quarantine_reason" %]
[%- set checks %]
[%- if model.checks %]
{{ customer_retention.quarantine_reason([
[%- for when, reason in model.checks %]
            {'when': [[ when ]], 'reason': '[[ reason ]]'},
[%- endfor %]
        ]) }}
[%- elif not source.has_rejected %]
cast(null as {{ dbt.type_string() }})
[%- endif %]
[%- endset %]
with

source as (
[%- if model.renames or source.has_rejected %]
    select
[%- for column in model.columns %]
        [[ column.raw_sql ]][[ "" if column.raw_sql == column.name else " as " ~ column.name ]][[ "," if not loop.last or model.line_columns ]]
[%- endfor %]
[%- for name in model.line_columns %]
        [[ name ]][[ "," if not loop.last ]]
[%- endfor %]
    from {{ source('[[ project ]]', '[[ source.name ]]') }}
[%- else %]
    select * from {{ source('[[ project ]]', '[[ source.name ]]') }}
[%- endif %]
),

typed as (
    select
[%- for column in model.columns %]
        [[ column.typed_sql ]][[ "" if column.typed_sql == column.name else " as " ~ column.name ]][[ "," if not loop.last or model.checked or model.line_columns ]]
[%- endfor %]
[%- for column in model.checked %]
        [[ column.raw_text_sql ]] as [[ column.raw_text ]][[ "," if not loop.last or model.line_columns ]]
[%- endfor %]
[%- for name in model.line_columns %]
        [[ name ]][[ "," if not loop.last ]]
[%- endfor %]
    from source
),
[%- set ns = namespace(last="typed") %]
[% if model.keys %]
keyed as (
    select
        *[% for column in model.keys %],
        [[ column.expression ]] as [[ column.name ]][% endfor %]
    from [[ ns.last ]]
),
[% set ns.last = "keyed" %][% endif %]
validated as (
    select
        *,
[%- if not source.has_rejected %]
        [[ checks | trim ]] as [[ reason ]]
[%- elif model.checks %]
        coalesce([[ model.line_columns[2] ]], [[ checks | trim ]]) as [[ reason ]]
[%- else %]
        [[ model.line_columns[2] ]] as [[ reason ]]
[%- endif %]
    from [[ ns.last ]]
),
[% set ns.last = "validated" %]
[%- if model.copy_columns %]
-- of several copies, the one that was known first is kept
ranked as (
    select
        *,
        {{ customer_retention.first_known_rank(
            key=[[ model.copy_columns | argument ]],
            known_at=[[ model.known_at ]],
            tie_breakers=[[ model.tie_breakers | list ]],
            reason='invalid_reason',
        ) }} as copy_rank
    from validated
),

deduplicated as (
    select
        *,
        case
            when invalid_reason is not null then invalid_reason
            when [[ model.copy_when ]] then '[[ model.copy_reason ]]'
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
            key='[[ source.key | join(', ') ]], case when quarantine_reason is null then 1 else 0 end',
            known_at=[[ model.known_at ]],
            tie_breakers=[[ model.tie_breakers | list ]],
        ) }} as [[ source.superseded ]]
    from [[ ns.last ]]
),
[% set ns.last = "versions" %][% endif %]
[%- if model.imputed %]
imputed as (
    select
        {{ customer_retention.columns_except([[ model.imputed | list ]]) }},
[%- for column in model.columns if column.imputed_sql %]
        [[ column.imputed_sql ]] as [[ column.name ]][[ "," if not loop.last ]]
[%- endfor %]
    from [[ ns.last ]]
),
[% set ns.last = "imputed" %][% endif %]
[%- if model.numbers %]
derived as (
    select
        *[% for column in model.numbers %],
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
[%- for name in model.output %]
        [[ name ]],
[%- endfor %]
[%- for column in model.checked %]
        [[ column.raw_text ]],
[%- endfor %]
[%- for name in model.line_columns %]
        [[ name ]],
[%- endfor %]
        quarantine_reason
    from [[ ns.last ]]
)

select * from final
