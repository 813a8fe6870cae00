-- grain: one row per customer and reason; written by `retention score`
{{ customer_retention.empty_rows(customer_retention.contract_columns('gld_churn_reasons')) }}
