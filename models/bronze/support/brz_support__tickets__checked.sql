-- grain: one raw row (support ticket); no row is dropped here, a bad one carries its reason
with

source as (
    select * from {{ ref('raw_support__tickets') }}
),

typed as (
    select
        {{ customer_retention.clean_text('ticket_id') }} as ticket_id,
        {{ customer_retention.clean_text('customer_id') }} as customer_id,
        {{ customer_retention.clean_text('body') }} as body,
        lower({{ customer_retention.clean_text('channel') }}) as channel,
        lower({{ customer_retention.clean_text('priority') }}) as priority,
        lower({{ customer_retention.clean_text('topic') }}) as topic,
        {{ customer_retention.to_integer('satisfaction') }} as satisfaction,
        {{ customer_retention.to_timestamp('opened_at') }} as opened_at,
        {{ customer_retention.to_timestamp('available_at') }} as available_at,
        {{ customer_retention.clean_text('satisfaction') }} as satisfaction_raw,
        {{ customer_retention.clean_text('opened_at') }} as opened_at_raw,
        {{ customer_retention.clean_text('available_at') }} as available_at_raw
    from source
),

validated as (
    select
        *,
        {{ customer_retention.quarantine_reason([
            {'when': 'ticket_id is null', 'reason': 'missing ticket_id'},
            {'when': 'customer_id is null', 'reason': 'missing customer_id'},
            {'when': 'opened_at is null', 'reason': 'missing or unreadable opened_at'},
            {'when': 'available_at_raw is not null and available_at is null', 'reason': 'unreadable available_at'},
            {'when': customer_retention.implausible_time('opened_at'), 'reason': 'implausible opened_at'},
            {'when': 'satisfaction not between 1 and 5', 'reason': 'satisfaction out of range'},
        ]) }} as invalid_reason
    from typed
),

ranked as (
    select
        *,
        {{ customer_retention.first_known_rank(
            key='ticket_id',
            known_at=customer_retention.known_at('opened_at', 'available_at'),
            tie_breakers=['customer_id', 'body', 'channel', 'priority', 'topic', 'satisfaction', 'opened_at'],
            reason='invalid_reason',
        ) }} as copy_rank
    from validated
),

final as (
    select
        ticket_id,
        customer_id,
        body,
        channel,
        priority,
        topic,
        satisfaction,
        opened_at,
        available_at,
        satisfaction_raw,
        opened_at_raw,
        available_at_raw,
        case
            when invalid_reason is not null then invalid_reason
            when copy_rank > 1 then 'duplicate ticket_id'
        end as quarantine_reason
    from ranked
)

select * from final
