-- grain: one row per distinct text of a ticket; written by `retention build`
-- depends_on: {{ ref('brz_support__tickets') }}
-- depends_on: {{ ref('gld_churn_labels') }}
{{ customer_retention.empty_rows(customer_retention.text_columns(components=8)) }}
