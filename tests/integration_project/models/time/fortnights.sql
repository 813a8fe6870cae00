-- grain: one feature time; the anchor lies after the start, so the grid runs backwards too
{{ customer_retention.feature_times(
    ref('observation'), step='2w', anchor='2024-06-01 12:00:00.000001', start='2024-02-10'
) }}
