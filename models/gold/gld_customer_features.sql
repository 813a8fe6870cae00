-- grain: one row per customer and feature time; nothing in it was known at or after that time
with

spine as (
    select * from {{ ref('slv_spine') }}
),

customers as (
    select
        customer_id,
        acquisition_channel as customer_acquisition_channel
    from {{ ref('brz_app__customers') }}
),

customer_attributes as (
    select * from {{ ref('slv_customer_attributes') }}
),

subscription_attributes as (
    select * from {{ ref('slv_subscription_attributes') }}
),

orders as (
    select * from {{ ref('slv_orders_windows') }}
),

tickets as (
    select * from {{ ref('slv_tickets_windows') }}
),

price_changes as (
    select * from {{ ref('slv_price_changes_windows') }}
),

offers as (
    select * from {{ ref('slv_offers_windows') }}
),

final as (
    select *
    from spine
    left join customers using (customer_id)
    left join customer_attributes using (customer_id, feature_timestamp)
    left join subscription_attributes using (customer_id, feature_timestamp)
    left join orders using (customer_id, feature_timestamp)
    left join tickets using (customer_id, feature_timestamp)
    left join price_changes using (customer_id, feature_timestamp)
    left join offers using (customer_id, feature_timestamp)
)

select * from final
