-- grain: one row per customer to contact or to hold out; written by `retention act`
{{ customer_retention.empty_rows(customer_retention.contract_columns('gld_retention_actions')) }}
