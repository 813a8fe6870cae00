-- grain: one row per distinct `[[ text.column ]]` of [[ source.name ]]; written by `retention build`
-- depends_on: {{ ref('[[ plan.model(source) ]]') }}
-- depends_on: {{ ref('gld_churn_labels') }}
{{ customer_retention.empty_rows(customer_retention.text_columns(components=[[ text.components ]])) }}
