-- grain: one raw row of [[ source.title ]]; no row is dropped here, a bad one carries its reason
with

source as (
[%- if source.renames %]
    select
[%- for column in source.columns %]
        [[ column.raw_sql ]][[ "" if column.raw_sql == column.name else " as " ~ column.name ]][[ "," if not loop.last ]]
[%- endfor %]
    from {{ source('[[ project ]]', '[[ source.name ]]') }}
[%- else %]
    select * from {{ source('[[ project ]]', '[[ source.name ]]') }}
[%- endif %]
),

typed as (
    select
[%- for column in source.columns %]
        [[ column.typed_sql ]][[ "" if column.typed_sql == column.name else " as " ~ column.name ]][[ "," if not loop.last or source.checked ]]
[%- endfor %]
[%- for column in source.checked %]
        {{ customer_retention.clean_text('[[ column.name ]]') }} as [[ column.raw_text ]][[ "," if not loop.last ]]
[%- endfor %]
    from source
),
[% if source.derived %]
derived as (
    select
        *[% for column in source.derived %],
        try_cast([[ column.expression ]] as decimal(18, [[ column.scale ]])) as [[ column.name ]][% endfor %]
    from typed
),
[% endif %]
[%- if source.reversal %]
-- a row that takes something back is no activity
flagged as (
    select
        *,
        coalesce([[ source.reversal.condition ]], false) as is_reversal
    from [[ "derived" if source.derived else "typed" ]]
),
[% endif %]
[%- set last = "flagged" if source.reversal else "derived" if source.derived else "typed" %]
validated as (
    select
        *,
[%- if source.checks %]
        {{ customer_retention.quarantine_reason([
[%- for check in source.checks %]
            {'when': [[ check.when ]], 'reason': '[[ check.reason ]]'},
[%- endfor %]
        ]) }} as [[ "invalid_reason" if source.copy_columns else "quarantine_reason" ]]
[%- else %]
        cast(null as {{ dbt.type_string() }}) as [[ "invalid_reason" if source.copy_columns else "quarantine_reason" ]]
[%- endif %]
    from [[ last ]]
),
[% if source.copy_columns %]
-- of several copies, the one that was known first stays
ranked as (
    select
        *,
        {{ customer_retention.first_known_rank(
            key='[[ source.copy_columns ]]',
            known_at=[[ source.known_at ]],
            tie_breakers=[[ source.tie_breakers ]],
            reason='invalid_reason',
        ) }} as copy_rank
    from validated
),
[% endif %]
final as (
    select
[%- for name in source.output %]
        [[ name ]],
[%- endfor %]
[%- for column in source.checked %]
        [[ column.raw_text ]],
[%- endfor %]
[%- if source.copy_columns %]
        case
            when invalid_reason is not null then invalid_reason
            when [[ source.copy_when ]] then '[[ source.copy_reason ]]'
        end as quarantine_reason
    from ranked
[%- else %]
        quarantine_reason
    from validated
[%- endif %]
)

select * from final
