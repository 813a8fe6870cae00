-- grain: one row of the spine; made in three parts, so that a part has to fit into memory
{{ config(materialized='chunked_table', meta={'window_chunks': 3}) }}

{{ orders_so_far() }}
