-- grain: one row of the spine; a build makes the rows that are missing or whose events have changed
{{ config(materialized='daily_table', unique_key=['customer_id', 'feature_timestamp'], meta={'spine': 'spine_to_date'}) }}

{{ orders_so_far(incremental='changed_rows') }}
