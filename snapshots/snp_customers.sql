{% snapshot snp_customers %}

{{ config(
    unique_key='customer_id',
    strategy='timestamp',
    updated_at='updated_at',
    hard_deletes='invalidate',
    meta={'time': {'available_at': 'loaded_at'}},
) }}

select
    customer_id,
    country,
    segment,
    marketing_opt_in,
    updated_at,
    -- the extract does not say when it was loaded: not before the newest change in it
    max(updated_at) over () as loaded_at
from {{ ref('brz_app__customers') }}
where updated_at is not null

{% endsnapshot %}
