{{ config(materialized='daily_table', unique_key=['customer_id', 'feature_timestamp']) }}
-- grain: one row per customer and feature time; nothing in it was known at or after that time
with

-- a row is made again when what it is made of has changed
spine as (
    {{ customer_retention.changed_rows(
        spine=ref('slv_spine'),
        entity='customer_id',
        inputs=[
            {'relation': ref('brz_app__customers'), 'columns': ['acquisition_channel'], 'keys': ['customer_id']},
            {'relation': ref('slv_customer_attributes')},
            {'relation': ref('slv_subscription_attributes')},
            {'relation': ref('slv_orders_windows'), 'columns': ['orders_fingerprint']},
            {'relation': ref('slv_tickets_windows'), 'columns': ['tickets_fingerprint']},
            {'relation': ref('slv_price_changes_windows'), 'columns': ['price_changes_fingerprint']},
            {'relation': ref('slv_offers_windows'), 'columns': ['offers_fingerprint']},
        ],
    ) | indent(4) }}
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
    select {{ customer_retention.columns_except(['orders_fingerprint']) }} from {{ ref('slv_orders_windows') }}
),

tickets as (
    select {{ customer_retention.columns_except(['tickets_fingerprint']) }} from {{ ref('slv_tickets_windows') }}
),

price_changes as (
    select {{ customer_retention.columns_except(['price_changes_fingerprint']) }} from {{ ref('slv_price_changes_windows') }}
),

offers as (
    select {{ customer_retention.columns_except(['offers_fingerprint']) }} from {{ ref('slv_offers_windows') }}
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
