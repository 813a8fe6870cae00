"""What is known of the labels of all texts: ``text.labels``, and the classifiers that they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from python_ml.text.labelling.classifier import PLACES, LabelModel
from python_ml.text_fits import LABEL_MODELS
from python_ml.warehouse import connect, declare_table, relation

if TYPE_CHECKING:
    from python_ml.project import Project
    from python_ml.text.store import TextStore

SCORE = pa.decimal128(9, PLACES)

LABELS = "text.labels"
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
    "fitted_before": "timestamp not null",
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
    fitted_before : datetime
        Only texts that were first known before were learnt from.
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
    fitted_before: datetime
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
    with connect(project, read_only=False) as connection:
        declare_table(connection, LABELS, LABEL_COLUMNS)
        declare_table(connection, LABEL_MODELS, MODEL_COLUMNS)
        connection.begin()  # closing the connection undoes what was not committed
        for table in (LABELS, LABEL_MODELS):
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
                "fitted_before": stored.fitted_before,
                "texts": stored.texts,
                "fitted_on": stored.fitted_on,
                "definition": stored.model.to_json(),
                "figures": stored.figures,
            }
            places = ", ".join("?" * len(MODEL_COLUMNS))
            connection.execute(
                f"insert into {relation(LABEL_MODELS)} values ({places})", [entry[key] for key in MODEL_COLUMNS]
            )
        connection.commit()


def read_models(store: TextStore, text: str) -> dict[str, tuple[LabelModel, str]]:
    """The classifiers of a text column by label, each with the model whose embeddings it takes."""
    found: dict[str, tuple[LabelModel, str]] = {}
    for row in store.about(LABEL_MODELS, text):
        found.setdefault(row["label"], (LabelModel.from_json(row["definition"]), row["embedding_model"]))
    return found


def with_labels(store: TextStore, table: pa.Table, text: str, names: Sequence[str]) -> pa.Table:
    """Add labels to the distinct texts of a column.

    Parameters
    ----------
    store : TextStore
    table : pyarrow.Table
        ``text_hash``, and ``characters``, of which a blank text has none, and so no label.
    text : str
        Source and column, such as ``tickets.body``.
    names : sequence of str
        Labels; their columns are there, and null, before anything was learnt.

    Returns
    -------
    pyarrow.Table
        With the columns ``<label>`` and ``<label>_score``.
    """
    models = read_models(store, text) if names else {}
    wanted = table.filter(pc.greater(table["characters"], 0))["text_hash"].combine_chunks()
    for name in names:
        parts = []
        if name in models:
            model, embeddings = models[name]
            parts = [
                model.apply(vectors)[["value", "score"]].set_axis(hashes.to_pylist())
                for hashes, vectors in store.embeddings(embeddings, wanted)
            ]
        labels = pd.concat(parts) if parts else pd.DataFrame(columns=["value", "score"])
        labels = labels.reindex(table["text_hash"].to_pylist())
        table = table.append_column(name, pa.array(labels["value"], pa.string(), from_pandas=True))
        score = pa.array(labels["score"].astype(float), pa.float64(), from_pandas=True)
        table = table.append_column(f"{name}_score", score.cast(SCORE))
    return table
