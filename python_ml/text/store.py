"""Tables of the schema ``text`` in the warehouse: what was embedded and fitted stays, whatever dbt rebuilds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from python_ml.project import TEXT_STORE_VARIABLE
from python_ml.text.reduction import Reduction
from python_ml.text_fits import MEANINGS, REDUCTIONS
from python_ml.warehouse import append_rows, has_table, is_duckdb, literal, query_session, replace_rows

EMBEDDINGS = "text.embeddings"
READ_AT_ONCE = 50_000  # embeddings
_STORED = "text_store"  # what another warehouse is attached as
DECIMALS = 4  # of an embedding: cosines stay right to about 1e-4, and columns take a fifth of the space

_REDUCTION_SCHEMA = pa.schema(
    [
        ("text", pa.string()), ("digest", pa.string()), ("model", pa.string()),
        ("fitted_before", pa.timestamp("us")), ("texts", pa.int64()),
        ("mean", pa.list_(pa.float64())), ("axes", pa.list_(pa.float64())), ("shares", pa.list_(pa.float64())),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class StoredReduction:
    """A reduction and what it was fitted on.

    Attributes
    ----------
    text : str
        Source and column, such as ``tickets.body``.
    model : str
        Key of the model whose embeddings it takes.
    fitted_before : datetime
        Naive UTC: it has seen texts that were first known before.
    reduction : Reduction
    """

    text: str
    model: str
    fitted_before: datetime
    reduction: Reduction


def rounded(vectors: np.ndarray) -> np.ndarray:
    """Embeddings as they are kept."""
    return np.asarray(vectors, dtype=np.float32).round(DECIMALS)


class TextStore:
    """Reads and writes the tables in a session of DuckDB or Spark.

    Parameters
    ----------
    session
        What dbt gives a Python model, or a connection.
    """

    def __init__(self, session: Any) -> None:
        self.session = session
        if (path := os.environ.get(TEXT_STORE_VARIABLE)) and is_duckdb(session):
            session.execute(f"attach if not exists {literal(path)} as {_STORED} (read_only)")

    def _tables(self, name: str) -> list[str]:
        """The places where a table is."""
        if not is_duckdb(self.session):
            return [name] if has_table(self.session, name) else []
        schema, table = name.split(".")
        rows = self.session.execute(
            "select distinct database_name = current_database() from duckdb_tables() where schema_name = ? and "
            f"table_name = ? and database_name in (current_database(), {literal(_STORED)})",
            [schema, table],
        ).fetchall()
        return [("" if row[0] else f"{_STORED}.") + name for row in rows]

    def _all(self, name: str, columns: str, empty: str) -> str:
        """A query over a table wherever it is."""
        tables = self._tables(name)
        return " union all ".join(f"select {columns} from {table}" for table in tables) or f"select {empty} where false"

    def embedded(self, model: str) -> str:
        """A query for the hashes of the texts that were embedded with a model."""
        return (
            f"select distinct text_hash from ({self._all(EMBEDDINGS, 'model, text_hash', _NO_EMBEDDING)}) as kept "
            f"where model = {literal(model)}"
        )

    def add_embeddings(self, model: str, hashes: list[str], vectors: np.ndarray) -> None:
        """Keep the embeddings of texts."""
        kept = rounded(vectors)
        values = pa.FixedSizeListArray.from_arrays(pa.array(kept.ravel()), kept.shape[1])
        rows = pa.table(
            {
                "model": pa.array([model] * len(hashes)),
                "text_hash": pa.array(hashes, pa.string()),
                "embedding": values.cast(pa.list_(pa.float32())),
            }
        )
        append_rows(self.session, EMBEDDINGS, rows)

    def embeddings(self, model: str, wanted: pa.Array) -> Iterator[tuple[pa.Array, np.ndarray]]:
        """Read embeddings in batches, by the order of their hashes.

        Parameters
        ----------
        model : str
        wanted : pyarrow.Array of str
            Hashes; those without an embedding are passed over.

        Yields
        ------
        hashes : pyarrow.Array
        vectors : ndarray of float32, shape (n, n_dimensions)
        """
        ordered = np.sort(wanted.to_numpy(zero_copy_only=False).astype(str))
        for first in range(0, len(ordered), READ_AT_ONCE):
            part = pa.table({"text_hash": pa.array(ordered[first : first + READ_AT_ONCE], pa.string())})
            rows = query_session(
                self.session,
                "select text_hash, min(embedding) as embedding from ("
                f"{self._all(EMBEDDINGS, 'model, text_hash, embedding', _NO_EMBEDDING)}) as kept "
                f"where model = {literal(model)} and text_hash in (select text_hash from wanted_texts) "
                "group by text_hash order by text_hash",
                wanted_texts=part,
            )
            if rows.num_rows:
                column = rows["embedding"].combine_chunks()
                yield rows["text_hash"].combine_chunks(), column.flatten().to_numpy().reshape(rows.num_rows, -1)

    def reductions(self) -> list[StoredReduction]:
        """What was fitted, by text column."""
        found: dict[str, StoredReduction] = {}
        for table in self._tables(REDUCTIONS):
            for row in query_session(self.session, f"select * from {table} order by text").to_pylist():
                reduction = Reduction(
                    np.array(row["mean"]),
                    np.array(row["axes"]).reshape(-1, len(row["mean"])),
                    np.array(row["shares"]),
                    row["texts"],
                )
                found.setdefault(
                    row["text"], StoredReduction(row["text"], row["model"], row["fitted_before"], reduction)
                )
        return list(found.values())

    def about(self, name: str, text: str) -> list[dict[str, Any]]:
        """Rows about a text column, of a table that names it in ``text_column``."""
        return [
            row
            for table in self._tables(name)
            for row in query_session(
                self.session, f"select * from {table} where text_column = {literal(text)}"
            ).to_pylist()
        ]

    def reduction(self, text: str) -> StoredReduction | None:
        """The reduction of a text column; None where none was fitted."""
        return next((one for one in self.reductions() if one.text == text), None)

    def keep_reduction(self, made: StoredReduction, meanings: pa.Table) -> None:
        """Keep a reduction in place of an earlier one of the same text column, and what its components mean."""
        row = {
            "text": made.text,
            "digest": made.reduction.digest,
            "model": made.model,
            "fitted_before": made.fitted_before,
            "texts": made.reduction.texts,
            "mean": made.reduction.mean.tolist(),
            "axes": made.reduction.axes.ravel().tolist(),
            "shares": made.reduction.shares.tolist(),
        }
        self._replace(MEANINGS, made.text, meanings)
        self._replace(REDUCTIONS, made.text, pa.Table.from_pylist([row], schema=_REDUCTION_SCHEMA))

    def _replace(self, name: str, text: str, rows: pa.Table) -> None:
        others = (
            query_session(self.session, f"select * from {name} where text <> {literal(text)}").cast(rows.schema)
            if has_table(self.session, name)
            else rows.schema.empty_table()
        )
        replace_rows(self.session, name, pa.concat_tables([others, rows]))


_NO_EMBEDDING = "'' as model, '' as text_hash, null as embedding"
