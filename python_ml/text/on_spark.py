"""Embedding on Spark and Databricks: each worker loads the model, and embeds its part of the texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pandas as pd

from python_ml.text.engines import Engine, embedded
from python_ml.text.store import EMBEDDINGS, TextStore, rounded
from python_ml.warehouse import append_rows

if TYPE_CHECKING:
    import pyarrow as pa

    from python_ml.settings import Text

A_TASK = 1024  # texts of a task, so that loading the model is a small part of it
MOST_TASKS = 256


def embed_on_spark(store: TextStore, missing: pa.Table, model: str, settings: Text, load: Callable[[], Engine]) -> None:
    """Embed texts with ``mapInPandas``, and keep the embeddings.

    Parameters
    ----------
    store : TextStore
        Of a session of Spark.
    missing : pyarrow.Table
        ``text_hash`` and ``text``.
    model : str
        Key under which embeddings are kept.
    settings : Text
    load : callable
        Gives the engine; called on the workers.
    """
    longest = settings.longest

    def embed(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        engine = None
        for frame in frames:
            engine = engine or load()
            vectors = rounded(embedded(engine, frame["text"].tolist(), longest))
            yield pd.DataFrame({"model": model, "text_hash": frame["text_hash"], "embedding": list(vectors)})

    tasks = min(max(1, missing.num_rows // A_TASK), MOST_TASKS)
    rows = store.session.createDataFrame(missing).repartition(tasks)
    vectors = rows.mapInPandas(embed, "model string, text_hash string, embedding array<float>")
    append_rows(store.session, EMBEDDINGS, vectors)
