{% snapshot snp_customers %}

{{ config(
    unique_key='customer_id',
    strategy='timestamp',
    updated_at='updated_at',
    hard_deletes='ignore',
) }}

select
    customer_id,
    country,
    segment,
    marketing_opt_in,
    updated_at
from {{ ref('brz_app__customers') }}
where updated_at is not null

{% endsnapshot %}
