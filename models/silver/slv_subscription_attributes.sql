-- grain: one row per spine row
with

known as (
    {{ customer_retention.as_of_join(
        spine=ref('slv_spine'),
        history=ref('slv_subscription_history'),
        entity='customer_id',
        valid_from='valid_from',
        available_at='available_at',
        columns=['plan', 'price'],
        prefix='subscription_',
    ) | indent(4) }}
),

final as (
    select
        customer_id,
        subscription_plan,
        cast(subscription_price as double) as subscription_price,
        feature_timestamp
    from known
)

select * from final
