-- grain: one row per [[ texts.scored ]]; written by `retention score`
{{ customer_retention.empty_rows(customer_retention.contract_columns('gld_churn_scores')) }}
