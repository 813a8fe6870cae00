"""Embedding on Spark and Databricks: each worker loads the model, and embeds its part of the texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from python_ml.text.engines import Engine, embedded
from python_ml.text.store import EMBEDDINGS, TextStore, rounded
from python_ml.warehouse import append_rows

if TYPE_CHECKING:
    from python_ml.settings import Text


def embed_on_spark(
    store: TextStore, missing: pa.Table, model: str, settings: Text, load: Callable[[], Engine], at_once: int
) -> None:
    """Embed texts with ``applyInPandas``, and keep the embeddings.

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
    at_once : int
        Texts that are embedded together.
    """
    longest = settings.longest
    loaded: list[Engine] = []

    def embed(frame: pd.DataFrame) -> pd.DataFrame:
        if not loaded:
            loaded.append(load())
        frame = frame.sort_values("place")
        vectors = rounded(embedded(loaded[0], frame["text"].tolist(), longest))
        return pd.DataFrame({"model": model, "text_hash": frame["text_hash"].to_numpy(), "embedding": list(vectors)})

    # The parts and their order are those of a single machine: in another batch, a text gets slightly other numbers.
    places = np.arange(missing.num_rows)
    rows = missing.append_column("place", pa.array(places)).append_column("part", pa.array(places // at_once))
    frame = store.session.createDataFrame(rows)
    vectors = frame.groupBy("part").applyInPandas(embed, "model string, text_hash string, embedding array<float>")
    append_rows(store.session, EMBEDDINGS, vectors)
