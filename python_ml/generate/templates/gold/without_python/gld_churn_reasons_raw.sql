-- grain: one row per customer and reason; written by `retention score`
-- depends_on: {{ ref('gld_scoring_set') }}
{{ customer_retention.empty_rows(customer_retention.contract_columns('gld_churn_reasons')) }}
