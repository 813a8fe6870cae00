-- grain: one row per ticket; with what its text says
{{ customer_retention.with_text(
    rows=ref('brz_support__tickets'),
    texts='slv_tickets_body_texts',
    column='body',
    components=8,
) }}
