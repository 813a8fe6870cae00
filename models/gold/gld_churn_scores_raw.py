from python_ml.model.score import score_table
from python_ml.warehouse import as_frame


def model(dbt, session):
    project = dbt.config.meta_get("project")
    return score_table(session, as_frame(dbt.ref("gld_scoring_set")), entity="customer_id", project=project)
