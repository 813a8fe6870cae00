-- grain: one row per [[ texts.scored ]]; written by `retention score`
-- depends_on: {{ ref('gld_scoring_set') }}
{{ customer_retention.empty_rows(customer_retention.contract_columns('gld_churn_scores')) }}
