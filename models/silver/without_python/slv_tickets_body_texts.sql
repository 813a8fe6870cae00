-- grain: one row per distinct text of a ticket; written by `retention build`
{{ customer_retention.empty_rows(customer_retention.text_columns(components=8)) }}
