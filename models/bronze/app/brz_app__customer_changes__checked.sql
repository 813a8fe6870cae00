-- grain: one raw row (a customer's attributes after a change); no row is dropped here, a bad one carries its reason
with

source as (
    select * from {{ ref('raw_app__customer_changes') }}
),

typed as (
    select
        {{ customer_retention.clean_text('change_id') }} as change_id,
        {{ customer_retention.clean_text('customer_id') }} as customer_id,
        upper({{ customer_retention.clean_text('country') }}) as country,
        lower({{ customer_retention.clean_text('segment') }}) as segment,
        {{ customer_retention.to_boolean('marketing_opt_in') }} as marketing_opt_in,
        {{ customer_retention.to_timestamp('changed_at') }} as changed_at,
        {{ customer_retention.to_timestamp('available_at') }} as available_at,
        {{ customer_retention.clean_text('changed_at') }} as changed_at_raw,
        {{ customer_retention.clean_text('available_at') }} as available_at_raw
    from source
),

validated as (
    select
        *,
        {{ customer_retention.quarantine_reason([
            {'when': 'change_id is null', 'reason': 'missing change_id'},
            {'when': 'customer_id is null', 'reason': 'missing customer_id'},
            {'when': 'changed_at is null', 'reason': 'missing or unreadable changed_at'},
            {'when': 'available_at_raw is not null and available_at is null', 'reason': 'unreadable available_at'},
            {'when': customer_retention.implausible_time('changed_at'), 'reason': 'implausible changed_at'},
        ]) }} as invalid_reason
    from typed
),

ranked as (
    select
        *,
        {{ customer_retention.first_known_rank(
            key='change_id',
            known_at=customer_retention.known_at('changed_at', 'available_at'),
            tie_breakers=['customer_id', 'country', 'segment', 'marketing_opt_in', 'changed_at'],
            reason='invalid_reason',
        ) }} as copy_rank
    from validated
),

final as (
    select
        change_id,
        customer_id,
        country,
        segment,
        marketing_opt_in,
        changed_at,
        available_at,
        changed_at_raw,
        available_at_raw,
        case
            when invalid_reason is not null then invalid_reason
            when copy_rank > 1 then 'duplicate change_id'
        end as quarantine_reason
    from ranked
)

select * from final
