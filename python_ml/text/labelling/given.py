"""The labels that were given, in ``text.labels_given``: no text is paid for twice, and a killed run continues."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from python_ml.text.labelling.labellers import Given, Labeller, Scheme, ask, digest
from python_ml.warehouse import connect, declare_table, relation, table_exists

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

    from python_ml.project import Project

TABLE = "text.labels_given"
KEY = ("text_column", "text_hash", "label", "labeller", "scheme_digest")
COLUMNS = {
    "text_column": "varchar not null",
    "text_hash": "varchar not null",
    "label": "varchar not null",
    "value": "varchar",
    "reason": "varchar",
    "labeller": "varchar not null",
    "scheme_digest": "varchar not null",
}


def read_given(project: Project, column: str, scheme: Scheme, labeller: str) -> pd.DataFrame:
    """What a labeller has given the texts of a column, for the labels as the scheme has them now.

    Returns
    -------
    pandas.DataFrame
        ``text_hash``, ``label``, ``value`` (None where it was not labelled), ``reason``; by label and text.
    """
    with connect(project) as connection:
        source = relation(TABLE) if table_exists(connection, TABLE) else f"({_NOTHING})"
        return connection.execute(
            f"select text_hash, label, value, reason from {source} "
            "where text_column = ? and labeller = ? and list_contains(?, struct_pack(l := label, d := scheme_digest)) "
            "order by label, text_hash",
            [column, labeller, [{"l": name, "d": digest(name, label)} for name, label in scheme.items()]],
        ).df()


_NOTHING = "select " + ", ".join(f"null::varchar as {name}" for name in COLUMNS) + " where false"


def write_given(
    project: Project,
    column: str,
    scheme: Scheme,
    labeller: str,
    labels: Mapping[str, Mapping[str, Given]],
    *,
    instead: bool = False,
) -> None:
    """Store labels, by text hash and name of the label, all or none of them.

    Parameters
    ----------
    instead : bool
        Forget what this labeller gave the column before: a file says everything that a person has to say.
    """
    rows = [
        (column, text, name, given.value, given.reason, labeller, digest(name, scheme[name]))
        for text, answer in labels.items()
        for name, given in answer.items()
    ]
    with connect(project, read_only=False) as connection, _transaction(connection):
        declare_table(connection, TABLE, COLUMNS)
        _forget(connection, column, labeller, None if instead else rows)
        if rows:
            places = ", ".join("?" * len(COLUMNS))
            connection.executemany(f"insert into {relation(TABLE)} values ({places})", rows)


def _forget(connection: duckdb.DuckDBPyConnection, column: str, labeller: str, rows: Sequence[tuple] | None) -> None:
    """Delete earlier answers to the same questions; without ``rows``, all of a labeller on a column."""
    if rows is None:
        connection.execute(f"delete from {relation(TABLE)} where text_column = ? and labeller = ?", [column, labeller])
    elif rows:
        same = " and ".join(f"{name} = ?" for name in KEY)
        connection.executemany(f"delete from {relation(TABLE)} where {same}", [(*row[:3], *row[5:]) for row in rows])


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.begin()
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def collect(
    project: Project,
    column: str,
    texts: Mapping[str, str],
    scheme: Scheme,
    labeller: Labeller,
    *,
    batch: int = 20,
    again: bool = False,
    progress: Callable[[str | None], None] = lambda _: None,
) -> pd.DataFrame:
    """Have texts labelled that have no labels yet, batch by batch; each is stored before the next is asked for.

    Parameters
    ----------
    project : Project
    column : str
        ``source.column``.
    texts : mapping of str to str
        By hash, as they may leave the machine: personal data is masked.
    scheme : mapping of str to TextLabel
    labeller : Labeller
    batch : int
        Texts in one request.
    again : bool
        Ask again for texts that came back without a label in an earlier run.
    progress : callable

    Returns
    -------
    pandas.DataFrame
        See :func:`read_given`; only these texts.
    """
    earlier = read_given(project, column, scheme, labeller.name)
    if again:
        earlier = earlier[earlier["value"].notna()]
    answered = earlier.groupby("label")["text_hash"].agg(set).to_dict()
    # A label that was added to the scheme is asked for alone.
    pending = {name: texts.keys() - answered.get(name, set()) for name in scheme}
    asked = {name: label for name, label in scheme.items() if pending[name]}
    waiting = [text for text in texts if any(text in missing for missing in pending.values())]
    for done in range(0, len(waiting), batch):
        progress(f"{done} of {len(waiting)} texts of {column} labelled")
        part = waiting[done : done + batch]
        answers = ask(labeller, [texts[text] for text in part], asked)
        write_given(project, column, scheme, labeller.name, dict(zip(part, answers, strict=True)))
    progress(None)
    given = read_given(project, column, scheme, labeller.name)
    return given[given["text_hash"].isin(texts.keys())].reset_index(drop=True)
