-- What a window by event time alone would have counted too early: orders that had happened, but were not yet known.
with

spine as (
    select * from {{ ref('slv_spine') }}
),

orders as (
    select * from {{ ref('brz_app__orders') }}
),

final as (
    select
        spine.feature_timestamp,
        count(*) as orders_that_had_happened,
        sum(
            case
                when {{ customer_retention.visible('orders.ordered_at', 'spine.feature_timestamp', 'orders.available_at') }} then 0
                else 1
            end
        ) as of_which_not_yet_known
    from spine
    inner join orders
        on
            spine.customer_id = orders.customer_id
            and spine.feature_timestamp > orders.ordered_at
    group by spine.feature_timestamp
)

select * from final
order by feature_timestamp
