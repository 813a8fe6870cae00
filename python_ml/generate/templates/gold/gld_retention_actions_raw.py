from python_ml.decisions.campaign import action_table
from python_ml.warehouse import as_frame


def model(dbt, session):
    customers = as_frame(dbt.ref("gld_scoring_set"))
    scores, reasons = as_frame(dbt.ref("gld_churn_scores")), as_frame(dbt.ref("gld_churn_reasons"))
    project = dbt.config.meta_get("project")
    return action_table(session, customers, scores, reasons, entity="[[ entity ]]", project=project)
