-- grain: one row of the spine; a run makes the rows that have come since the last
{{ config(materialized='incremental', incremental_strategy='append') }}

{{ orders_so_far(incremental='new_rows') }}
