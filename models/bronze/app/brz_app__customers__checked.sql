-- grain: one raw row (customer as the shop sees them now); no row is dropped here, a bad one carries its reason
with

source as (
    select * from {{ ref('raw_app__customers') }}
),

typed as (
    select
        {{ customer_retention.clean_text('customer_id') }} as customer_id,
        upper({{ customer_retention.clean_text('country') }}) as country,
        lower({{ customer_retention.clean_text('segment') }}) as segment,
        lower({{ customer_retention.clean_text('acquisition_channel') }}) as acquisition_channel,
        lower({{ customer_retention.clean_text('account_closed_reason') }}) as account_closed_reason,
        {{ customer_retention.to_integer('birth_year') }} as birth_year,
        {{ customer_retention.to_boolean('marketing_opt_in') }} as marketing_opt_in,
        {{ customer_retention.to_timestamp('signed_up_at') }} as signed_up_at,
        {{ customer_retention.to_timestamp('updated_at') }} as updated_at,
        {{ customer_retention.clean_text('birth_year') }} as birth_year_raw,
        {{ customer_retention.clean_text('signed_up_at') }} as signed_up_at_raw,
        {{ customer_retention.clean_text('updated_at') }} as updated_at_raw
    from source
),

validated as (
    select
        *,
        {{ customer_retention.quarantine_reason([
            {'when': 'customer_id is null', 'reason': 'missing customer_id'},
            {'when': 'signed_up_at is null', 'reason': 'missing or unreadable signed_up_at'},
            {'when': customer_retention.implausible_time('signed_up_at'), 'reason': 'implausible signed_up_at'},
            {'when': 'updated_at_raw is not null and updated_at is null', 'reason': 'unreadable updated_at'},
        ]) }} as invalid_reason
    from typed
),

ranked as (
    select
        *,
        {{ customer_retention.first_known_rank(
            key='customer_id',
            known_at='coalesce(updated_at, signed_up_at)',
            tie_breakers=['country', 'segment', 'acquisition_channel', 'account_closed_reason', 'birth_year', 'marketing_opt_in', 'signed_up_at', 'updated_at'],
            reason='invalid_reason',
        ) }} as copy_rank
    from validated
),

final as (
    select
        customer_id,
        country,
        segment,
        acquisition_channel,
        account_closed_reason,
        case when birth_year between 1900 and 2020 then birth_year end as birth_year,
        coalesce(birth_year not between 1900 and 2020, false) as is_birth_year_out_of_range,
        marketing_opt_in,
        signed_up_at,
        updated_at,
        birth_year_raw,
        signed_up_at_raw,
        updated_at_raw,
        case
            when invalid_reason is not null then invalid_reason
            when copy_rank > 1 then 'duplicate customer_id'
        end as quarantine_reason
    from ranked
)

select * from final
