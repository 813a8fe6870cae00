"""Texts as numbers: what the dbt Python models of text columns call."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from python_ml.errors import UserError
from python_ml.masking import masked
from python_ml.project import Project
from python_ml.text.cleaning import readable
from python_ml.text.engines import TextModel, embedded, find_model, load_engine, missing_model
from python_ml.text.labelling.label_tables import with_labels
from python_ml.text.meaning import MEANING_SCHEMA, described_components
from python_ml.text.on_spark import embed_on_spark
from python_ml.text.reduction import DECIMALS, fit_reduction
from python_ml.text.store import StoredReduction, TextStore
from python_ml.warehouse import is_spark, query_session, quoted_by

if TYPE_CHECKING:
    from python_ml.settings import Text

AT_ONCE = 1024  # texts that are embedded before they are kept
# Texts from which on Spark's workers share the work. Below, the last digits are those of DuckDB: they depend on which
# texts are embedded together.
SHARED_FROM = 50_000
MEANT = 20_000  # texts that the meaning of components is read from, at most
# Text columns, separated by commas, whose components are fitted again by this run of dbt.
REFIT_VARIABLE = "RETENTION_TEXT_REFIT"
ALWAYS = "1900-01-01 00:00:00"
_ONE_AT_A_TIME = Lock()
COMPONENT = pa.decimal128(9, DECIMALS)


def text_components(
    session: Any,
    rows: Any,
    labels: Any,
    *,
    text: str,
    components: int,
    known_at: Sequence[str] = (),
    text_labels: Sequence[str] = (),
    project: str | None = None,
) -> pa.Table:
    """Turn the distinct texts of a column into principal components of their embeddings.

    A text is embedded once: embeddings are kept in ``text.embeddings`` of the warehouse, by model and content. The
    components are fitted once, on texts first known before validation begins, and kept in ``text.reductions``.

    Parameters
    ----------
    session
        What dbt gives the Python model.
    rows
        ``dbt.ref`` of the model with the texts.
    labels
        ``dbt.ref("gld_churn_labels")``, which says where training ends.
    text : str
        Source and column, such as ``tickets.body``.
    components : int
        Columns ``pc1`` to ``pcN`` of the result.
    known_at : sequence of str
        Columns whose latest time says when a row was known; none where the rows have no time.
    text_labels : sequence of str
        Labels of ``text.labels`` in ``retention.yml``, which `retention text label` learns: columns of their own.
    project : str, optional
        As for :func:`python_ml.model.score.score_table`.

    Returns
    -------
    pyarrow.Table
        One row per distinct text: ``text_hash`` (its MD5), ``characters`` (those that a model reads), ``pc1`` …,
        and for each label ``<label>`` (text) and ``<label>_score``; components are null where nothing was fitted,
        labels where nothing was learnt.

    Raises
    ------
    UserError
        When texts must be embedded for components that exist already, and the model is not there.
    """
    store = TextStore(session)
    # dbt runs models at the same time, and what they keep is in the same tables.
    with _ONE_AT_A_TIME:
        opened = Project.described_by(project)
        made = _components(store, rows, labels, text, components, known_at, opened)
        return with_labels(store, made, text, text_labels)


def _components(
    store: TextStore,
    rows: Any,
    labels: Any,
    text: str,
    components: int,
    known_at: Sequence[str],
    project: Project,
) -> pa.Table:
    texts = distinct_texts(store.session, rows, text.partition(".")[2], known_at)
    projected = np.full((texts.num_rows, components), np.nan)
    if texts.num_rows and (stored := _reduction(store, texts, text, labels, project)):
        projected = _projected(store, texts, stored, components)
    return _table(texts, project.settings.text, projected)


def _reduction(store: TextStore, texts: pa.Table, text: str, labels: Any, project: Project) -> StoredReduction | None:
    """The components of texts, all of which are embedded then; None where nothing can be fitted."""
    settings = project.settings.text
    is_refit = text in os.environ.get(REFIT_VARIABLE, "").split(",")
    stored = None if is_refit else store.reduction(text)
    model = find_model(project, settings)
    if stored is not None and (model is None or model.key != stored.model):
        _require_model_of(stored, model, texts, store)
        return stored
    try:
        if model is None:
            raise missing_model(settings)
        embed_missing(store, texts, model.key, settings, text, lambda: load_engine(project, settings, model))
    except UserError as error:
        if is_refit or stored is not None:
            raise
        _warn(f"{text} has no components. {error.what} Hint: {error.hint}.")
        return None
    return stored or _fit(store, texts, model.key, text, settings, _fitted_before(store.session, labels, project))


def embed_missing(store: TextStore, texts: pa.Table, model: str, settings: Text, name: str, load: Any) -> int:
    """Embed the texts that the warehouse has no embedding of.

    Parameters
    ----------
    store : TextStore
    texts : pyarrow.Table
        ``text_hash`` and ``text``.
    model : str
        Key under which embeddings are kept.
    settings : Text
    name : str
        The text column, for messages.
    load : callable
        Gives the :class:`~python_ml.text.engines.Engine`; called when there is something to embed.

    Returns
    -------
    int
        How many were embedded.
    """
    missing = _missing(store, texts, model)
    if not missing.num_rows:
        return 0
    if is_spark(store.session) and missing.num_rows >= SHARED_FROM:
        embed_on_spark(store, missing, model, settings, load)
        _say(f"{name}: {missing.num_rows:,} new texts embedded")
        return missing.num_rows
    engine, done = load(), 0
    # In one chunk: an engine's own would be other batches, and other last digits.
    for part in missing.combine_chunks().to_batches(max_chunksize=AT_ONCE):
        vectors = embedded(engine, part["text"].to_pylist(), settings.longest)
        store.add_embeddings(model, part["text_hash"].to_pylist(), vectors)
        done += part.num_rows
        _say(f"{name}: {done:,} of {missing.num_rows:,} new texts embedded")
    return missing.num_rows


def _missing(store: TextStore, texts: pa.Table, model: str) -> pa.Table:
    """text_hash and text of those that a model has not embedded, short ones first."""
    return query_session(
        store.session,
        f"select text_hash, text from all_texts where text_hash not in ({store.embedded(model)}) "
        "order by length(text), text_hash",
        all_texts=texts.select(["text_hash", "text"]),
    )


def distinct_texts(session: Any, rows: Any, column: str, known_at: Sequence[str]) -> pa.Table:
    """text_hash, text and known_at (when it was first known) of each distinct text, by hash.

    ``known_at`` is :data:`ALWAYS` for rows that have no times, and null for a text whose times are all missing: it may
    have been written at any time, so nothing is learnt from it.
    """
    quoted = quoted_by(session, column)
    times = [quoted_by(session, name) for name in known_at]
    first, *others = times or [f"timestamp '{ALWAYS}'"]
    # greatest() wants two on some engines, and passes over nulls
    known = f"greatest({first}, {', '.join(f'coalesce({t}, {first})' for t in others)})" if others else first
    known = f"case when {first} is not null then cast({known} as timestamp) end"
    return query_session(
        session,
        f"select md5({quoted}) as text_hash, min({quoted}) as text, min({known}) as known_at "
        f"from text_rows where {quoted} is not null group by md5({quoted}) order by 1",
        text_rows=rows,
    )


def _fitted_before(session: Any, labels: Any, project: Project) -> datetime | None:
    """Up to when texts may be learnt from: where validation begins, as training will divide the rows."""
    from python_ml.model.split import temporal_split

    if project.settings.text.fitted_before is not None:
        return project.settings.text.fitted_before
    labelled = query_session(
        session,
        "select cast(feature_timestamp as timestamp) as feature_timestamp, "
        "cast(label_timestamp as timestamp) as label_timestamp, churned "
        "from labels where label_available_flag and churned is not null",
        labels=labels,
    ).to_pandas()
    if labelled.empty:
        return None
    times = labelled["feature_timestamp"]
    if times.nunique() == 1:
        return times.iloc[0].to_pydatetime()
    try:
        split = temporal_split(labelled, project.settings.training.split)
    except UserError:
        return times.min().to_pydatetime()  # training will say why; nothing is known before the first feature time
    return (split.validation_from or split.test_from).to_pydatetime()


def _fit(
    store: TextStore, texts: pa.Table, model: str, name: str, settings: Text, before: datetime | None
) -> StoredReduction | None:
    seen = texts.filter(pc.less(texts["known_at"], before)) if before else texts.slice(0, 0)
    hashes = seen["text_hash"].combine_chunks()
    reduction = fit_reduction((vectors for _, vectors in store.embeddings(model, hashes)), settings.variance)
    if reduction is None:
        _warn(
            f"{name} has no components: {seen.num_rows:,} distinct texts were known before "
            f"{before:%Y-%m-%d}, too few (or too alike) to fit any."
            if before
            else f"{name} has no components: no labelled rows say where training ends."
        )
        return None
    stored = StoredReduction(name, model, before, reduction)
    store.keep_reduction(stored, _meanings(store, seen, stored))
    kept = reduction.shares.cumsum()
    _say(
        f"{name}: {len(kept)} components keep {kept[-1]:.0%} of the variance of {reduction.texts:,} texts known "
        f"before {before:%Y-%m-%d}"
    )
    return stored


def _meanings(store: TextStore, seen: pa.Table, stored: StoredReduction) -> pa.Table:
    step = -(-seen.num_rows // MEANT)
    sample = seen.take(pa.array(np.arange(0, seen.num_rows, step)))
    projected = _projected(store, sample, stored, min(len(stored.reduction.axes), 50))
    if not len(projected):
        return MEANING_SCHEMA.empty_table()
    return described_components(stored.text, [masked(one) for one in sample["text"].to_pylist()], projected)


def _projected(store: TextStore, texts: pa.Table, stored: StoredReduction, components: int) -> np.ndarray:
    """Components of texts, in the order of their hashes."""
    hashes = texts["text_hash"].combine_chunks()
    parts = [stored.reduction.transform(vectors, components) for _, vectors in store.embeddings(stored.model, hashes)]
    projected = np.vstack(parts) if parts else np.empty((0, components))
    assert len(projected) == len(hashes), "each text has one embedding"
    return projected


def _table(texts: pa.Table, settings: Text, projected: np.ndarray) -> pa.Table:
    characters = [len(readable(value, settings.longest) or "") for value in texts["text"].to_pylist()]
    columns = {
        f"pc{number}": pa.array(projected[:, number - 1], from_pandas=True).cast(COMPONENT)
        for number in range(1, projected.shape[1] + 1)
    }
    return pa.table({"text_hash": texts["text_hash"], "characters": pa.array(characters, pa.int32()), **columns})


def _require_model_of(stored: StoredReduction, model: TextModel | None, texts: pa.Table, store: TextStore) -> None:
    """Components of one model say nothing of another's embeddings."""
    if model is None and not _missing(store, texts, stored.model).num_rows:
        return
    raise UserError(
        f"The components of {stored.text} were fitted on embeddings of {stored.model}, "
        f"and {'that model is not there' if model is None else f'the model is now {model.key}'}.",
        where="retention.yml, text",
        hint=f"install or name that model again, or run `retention text refit {stored.text}` and train anew",
    )


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=3)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - dbt passes it on
