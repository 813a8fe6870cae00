from python_ml.text import text_components


def model(dbt, session):
    return text_components(
        session,
        dbt.ref("brz_support__tickets"),
        dbt.ref("gld_churn_labels"),
        text="tickets.body",
        known_at=["opened_at", "available_at"],
        components=8,
        project=dbt.config.meta_get("project"),
    )
