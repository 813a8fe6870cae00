"""The labels of a text column: sample, ask, learn, apply, store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from python_ml.errors import UserError
from python_ml.stats import some_rows
from python_ml.text.cleaning import readable
from python_ml.text.components import distinct_texts
from python_ml.text.engines import EXTRA
from python_ml.text.labelling.classifier import learn
from python_ml.text.labelling.given import collect, read_given, write_given
from python_ml.text.labelling.label_tables import StoredModel, write_labels
from python_ml.text.labelling.labellers import Labeller, Scheme, digest
from python_ml.text.labelling.sampling import diverse
from python_ml.text.labelling.sheet import NAME, read_sheet, write_sheet
from python_ml.text.reduction import LEAST_TEXTS
from python_ml.text.store import TextStore
from python_ml.warehouse import connect, query_session, quote, relation

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from python_ml.project import Project
    from python_ml.text.labelling.declaration import TextSource

FITTED, REFUSED = "fitted", "refused"


@dataclass(frozen=True)
class TextColumn:
    """The distinct texts of a column.

    Attributes
    ----------
    name : str
        ``source.column``.
    texts : pandas.DataFrame, n_texts rows
        ``text_hash`` (ascending), ``text``, and ``known_at``, when the text was first known.
    embeddings : numpy.ndarray, shape (n_texts, n_dimensions)
    embedding_model : str
    fitted_before : datetime
        Where training ends: nothing is learnt from texts that were first known then or later.
    """

    name: str
    texts: pd.DataFrame
    embeddings: NDArray
    embedding_model: str
    fitted_before: datetime

    @property
    def teaching(self) -> NDArray[np.bool_]:
        """Which texts may be learnt from: those that were first known before training ends."""
        return (self.texts["known_at"] < self.fitted_before).to_numpy()

    def sample(self, size: int, seed: int) -> list[str]:
        """Hashes of diverse texts that may be learnt from; see :func:`diverse`."""
        rows = np.flatnonzero(self.teaching)
        return list(self.texts["text_hash"].to_numpy()[rows[diverse(self.embeddings[rows], size, seed)]])

    def shown(self, hashes: list[str], mask: Callable[[str], str]) -> dict[str, str]:
        """Texts as they may leave the machine, by hash."""
        texts = dict(zip(self.texts["text_hash"], self.texts["text"], strict=True))
        return {text: mask(texts[text]) for text in hashes}


def open_column(project: Project, source: TextSource) -> TextColumn:
    """Read the texts that dbt has embedded; blank ones have nothing to label.

    Raises
    ------
    UserError
        When there are no components yet, which say where training ends.
    """
    with connect(project) as connection:
        store, name = TextStore(connection), source.text.partition(".")[2]
        stored = store.reduction(source.text)
        if stored is None:
            raise UserError(
                f"The texts of {source.text} have no components yet.",
                where="text.reductions",
                hint=f"run `{EXTRA}` where it is missing, then `retention build`; components need {LEAST_TEXTS} texts",
            )
        columns = ", ".join(quote(column) for column in dict.fromkeys((name, *source.known_at)))
        rows = query_session(connection, f"select {columns} from {relation(source.rows)}")
        texts = distinct_texts(connection, rows, name, source.known_at).to_pandas()
        longest = project.settings.text.longest
        texts["text"] = [readable(text, longest) for text in texts["text"]]
        texts = texts[texts["text"].notna()]
        parts = list(store.embeddings(stored.model, pa.array(texts["text_hash"], pa.string())))
    embedded = [text for hashes, _ in parts for text in hashes.to_pylist()]
    return TextColumn(
        source.text,
        texts.set_index("text_hash").loc[embedded].reset_index(),
        np.concatenate([vectors for _, vectors in parts]) if parts else np.empty((0, 1), dtype=np.float32),
        stored.model,
        stored.fitted_before,
    )


def ask_labeller(
    project: Project,
    column: TextColumn,
    scheme: Scheme,
    labeller: Labeller,
    mask: Callable[[str], str],
    *,
    again: bool = False,
    progress: Callable[[str | None], None] = lambda _: None,
) -> None:
    """Have a sample labelled, up to ``text.labelling.texts`` texts; texts that were asked about before count.

    So a run that continues, or has new data, pays for no text twice and for no more texts than it is set to.
    """
    settings, seed = project.settings.text.labelling, project.settings.training.seed
    given = read_given(project, column.name, scheme, labeller.name)
    known = set(column.texts["text_hash"][column.teaching])
    # A text counts once all labels of the scheme were asked for.
    counts = given["text_hash"].value_counts()
    asked = set(counts.index[counts == len(scheme)]) & known
    partly = (set(counts.index) & known) - asked
    rest = np.array([text for text in column.sample(settings.texts, seed) if text not in asked | partly], dtype=object)
    more = some_rows(np.arange(len(rest)), max(settings.texts - len(asked) - len(partly), 0), seed)
    chosen = [*sorted(partly), *(rest[more]), *(sorted(asked) if again else ())]
    collect(
        project,
        column.name,
        column.shown(chosen, mask),
        scheme,
        labeller,
        batch=settings.batch,
        again=again,
        progress=progress,
    )


def ask_person(project: Project, column: TextColumn, scheme: Scheme, path: Path, mask: Callable[[str], str]) -> bool:
    """Write the file that a person fills in, or read what it says.

    Returns
    -------
    bool
        Whether there was a file to read.
    """
    if not path.exists():
        settings, seed = project.settings.text.labelling, project.settings.training.seed
        write_sheet(path, column.shown(column.sample(settings.texts, seed), mask), scheme)
        return False
    write_given(project, column.name, scheme, NAME, read_sheet(path, scheme), instead=True)
    return True


def learn_labels(project: Project, column: TextColumn, scheme: Scheme, labeller: str) -> dict[str, Any]:
    """Learn from what a labeller gave, label all texts, and store both.

    Returns
    -------
    dict
        ``texts``, ``learnable`` (known before ``fitted_before``), ``labeller``, ``unlabelled`` (number of answers
        without a label, by reason) and ``labels``: for each its ``status`` (``fitted``, or ``refused`` with the
        ``reason``), the figures of :func:`python_ml.text.labelling.classifier.agreement`, and ``values``, the number of
        texts by value.
    """
    settings = project.settings
    given = read_given(project, column.name, scheme, labeller)
    place = {text: i for i, text in enumerate(column.texts["text_hash"])}
    teaching = column.teaching
    may_teach = given["text_hash"].map(lambda text: text in place and bool(teaching[place[text]]))
    models: dict[str, StoredModel] = {}
    labels: dict[str, pd.DataFrame] = {}
    results: dict[str, Any] = {}
    for name, label in scheme.items():
        rows = given[may_teach & given["value"].notna() & (given["label"] == name)]
        try:
            model, figures = learn(
                column.embeddings[rows["text_hash"].map(place).to_numpy(int)],
                rows["value"],
                label,
                least=settings.text.labelling.least_per_value,
                seed=settings.training.seed,
                replicates=settings.training.bootstrap_replicates,
                where=f"{column.name}, {name}",
            )
        except UserError as error:
            results[name] = {"status": REFUSED, "reason": error.what, "hint": error.hint}
            continue
        labels[name] = model.apply(column.embeddings).assign(text_hash=column.texts["text_hash"].to_numpy())
        fitted_on = json.dumps(rows[["text_hash", "value"]].to_numpy().tolist())
        models[name] = StoredModel(
            model,
            labeller,
            digest(name, label),
            column.embedding_model,
            column.fitted_before,
            len(rows),
            hashlib.sha256(fitted_on.encode()).hexdigest(),
            json.dumps(figures),
        )
        results[name] = {
            "status": FITTED,
            "digest": model.digest,
            **figures,
            "values": _counts(labels[name]["value"]),
        }
    write_labels(project, column.name, models, labels)
    return {
        "texts": len(column.texts),
        "learnable": int(teaching.sum()),
        "fitted_before": column.fitted_before.isoformat(),
        "labeller": labeller,
        "unlabelled": _counts(given["reason"].dropna()),
        "labels": results,
    }


def _counts(values: pd.Series) -> Mapping[str, int]:
    return {str(value): int(count) for value, count in values.value_counts().items()}
