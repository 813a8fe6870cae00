-- grain: one row per customer at risk; written by `retention score`
{{ customer_retention.empty_rows(customer_retention.contract_columns('gld_churn_scores')) }}
