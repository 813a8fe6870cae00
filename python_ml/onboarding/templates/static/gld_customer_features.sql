[%- if scenario.is_snapshot -%]
-- grain: one row per customer; the columns of the file as they stood in one snapshot
[%- else -%]
-- grain: one row per customer, as seen at [[ scenario.seen.words ]]
[%- endif %]
with

customers as (
    select
        *,
[%- if scenario.is_snapshot %]
        -- a constant that stands for "the snapshot": the file says nothing of when it was taken
        {{ customer_retention.timestamp_literal(var('snapshot_at'), 'snapshot_at') }} as feature_timestamp
[%- else %]
        [[ seen_sql ]] as feature_timestamp
[%- endif %]
    from {{ ref('brz_[[ project ]]__[[ table.name ]]') }}
),

[[ 'attributes' if spec.interactions else 'final' ]] as (
    select
        [[ entity ]],
        feature_timestamp,
[%- for feature in features %]
        [[ feature.expression ]][[ "" if feature.expression == feature.name else " as " ~ feature.name ]][[ "," if not loop.last ]]
[%- endfor %]
    from customers
[%- if not scenario.is_snapshot %]
    where feature_timestamp is not null
[%- endif %]
)[% if spec.interactions %],

final as (
    select
        *,
[%- for made in spec.interactions %]
        [[ made.expression ]] as [[ made.column.name ]][[ "," if not loop.last ]]
[%- endfor %]
    from attributes
)[% endif %]

select * from final
