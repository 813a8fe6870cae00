-- grain: one row per distinct `[[ text.column ]]` of [[ source.name ]]; written by `retention build`
{{ customer_retention.empty_rows(customer_retention.text_columns(components=[[ text.components ]])) }}
