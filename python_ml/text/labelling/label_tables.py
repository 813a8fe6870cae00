"""What is known of the labels of all texts: ``text.labels``, and the classifiers that they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from python_ml.text.labelling.classifier import LabelModel
from python_ml.warehouse import connect, declare_table, has_table, literal, quoted_by, relation

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.project import Project

LABELS, MODELS = "text.labels", "text.label_models"
LABEL_COLUMNS = {
    "text_column": "varchar not null",
    "text_hash": "varchar not null",
    "label": "varchar not null",
    "value": "varchar not null",
    "probability": "decimal(9, 6) not null",
    "score": "decimal(9, 6)",
    "labeller": "varchar not null",
    "scheme_digest": "varchar not null",
}
MODEL_COLUMNS = {
    "text_column": "varchar not null",
    "label": "varchar not null",
    "digest": "varchar not null",
    "labeller": "varchar not null",
    "scheme_digest": "varchar not null",
    "embedding_model": "varchar not null",
    "cutoff": "timestamp",
    "texts": "bigint not null",
    "fitted_on": "varchar not null",
    "definition": "varchar not null",
    "figures": "varchar not null",
}


@dataclass(frozen=True)
class StoredModel:
    """A classifier with what it was fitted on.

    Attributes
    ----------
    model : LabelModel
    labeller, scheme_digest, embedding_model : str
        Who gave the labels, what they were asked, and which model made the embeddings.
    cutoff : datetime or None
        Only texts that were known before it were learnt from.
    texts : int
    fitted_on : str
        SHA-256 of the hashes of these texts with their labels.
    figures : str
        JSON; see :func:`python_ml.text.labelling.classifier.agreement`.
    """

    model: LabelModel
    labeller: str
    scheme_digest: str
    embedding_model: str
    cutoff: datetime | None
    texts: int
    fitted_on: str
    figures: str


def write_labels(
    project: Project, column: str, models: Mapping[str, StoredModel], labels: Mapping[str, pd.DataFrame]
) -> None:
    """Replace the labels and the classifiers of a column, all at once.

    Parameters
    ----------
    project : Project
    column : str
        ``source.column``.
    models : mapping of str to StoredModel
        By label.
    labels : mapping of str to pandas.DataFrame
        ``text_hash``, ``value``, ``probability`` and ``score`` of every text, by label.
    """
    import pyarrow as pa

    with connect(project, read_only=False) as connection:
        declare_table(connection, LABELS, LABEL_COLUMNS)
        declare_table(connection, MODELS, MODEL_COLUMNS)
        connection.begin()  # closing the connection undoes what was not committed
        for table in (LABELS, MODELS):
            connection.execute(f"delete from {relation(table)} where text_column = ?", [column])
        for name, stored in models.items():
            source: dict[str, Any] = {"labeller": stored.labeller, "scheme_digest": stored.scheme_digest}
            rows = labels[name].assign(text_column=column, label=name, **source)[list(LABEL_COLUMNS)]
            connection.register("labels_to_write", pa.Table.from_pandas(rows, preserve_index=False))
            connection.execute(f"insert into {relation(LABELS)} select * from labels_to_write")
            entry = {
                "text_column": column,
                "label": name,
                "digest": stored.model.digest,
                **source,
                "embedding_model": stored.embedding_model,
                "cutoff": stored.cutoff,
                "texts": stored.texts,
                "fitted_on": stored.fitted_on,
                "definition": stored.model.to_json(),
                "figures": stored.figures,
            }
            places = ", ".join("?" * len(MODEL_COLUMNS))
            connection.execute(
                f"insert into {relation(MODELS)} values ({places})", [entry[key] for key in MODEL_COLUMNS]
            )
        connection.commit()


def read_models(session: Any, column: str, embedding_model: str) -> dict[str, LabelModel]:
    """The classifiers of a column, by label; those of other embeddings say nothing of these.

    Parameters
    ----------
    session
        What dbt gives a Python model, or a connection to DuckDB; see :func:`python_ml.warehouse.has_table`.
    column : str
        ``source.column``.
    embedding_model : str
    """
    if not has_table(session, MODELS):
        return {}
    query = (
        f"select label, definition from {quoted_by(session, *MODELS.split('.'))} "
        f"where text_column = {literal(column)} and embedding_model = {literal(embedding_model)}"
    )
    found = session.sql(query)
    rows = found.collect() if hasattr(found, "collect") else found.fetchall()
    return {label: LabelModel.from_json(definition) for label, definition in rows}
