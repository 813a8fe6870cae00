-- grain: one row per customer to contact or to hold out; written by `retention act`
-- depends_on: {{ ref('gld_scoring_set') }}
-- depends_on: {{ ref('gld_churn_scores') }}
-- depends_on: {{ ref('gld_churn_reasons') }}
{{ customer_retention.empty_rows(customer_retention.contract_columns('gld_retention_actions')) }}
