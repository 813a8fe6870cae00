"""A CSV file that a person fills in: one row per text, one column per label."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

from python_ml.errors import UserError
from python_ml.files import write_csv
from python_ml.text.labelling.labellers import Given, Scheme, known_value

if TYPE_CHECKING:
    from pathlib import Path

NAME = "file"  # of the labeller
KEY = "text_hash"
MOST_CHARACTERS = 131_072  # of a cell, which is what Python's reader takes


def write_sheet(path: Path, texts: Mapping[str, str], scheme: Scheme) -> None:
    """Write a file to be filled in.

    Parameters
    ----------
    path : Path
    texts : mapping of str to str
        By hash, masked. Shown only: the hash says which text a row is about.
    scheme : mapping of str to TextLabel
    """
    import pandas as pd

    shown = [" ".join(text.split())[: MOST_CHARACTERS // 4] for text in texts.values()]
    write_csv(path, pd.DataFrame({KEY: list(texts), "text": shown, **dict.fromkeys(scheme, "")}))


def read_sheet(path: Path, scheme: Scheme) -> dict[str, dict[str, Given]]:
    """Read a file that was filled in, as spreadsheets save it: commas, semicolons or tabs, UTF-8 or Windows-1252.

    Returns
    -------
    dict of str to dict
        The labels of each text, by its hash; cells that are empty are left out.

    Raises
    ------
    UserError
        Names the file and the row: for columns that are missing, values that the scheme does not have, and texts that
        are there twice with different labels.
    """
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    head = text.lstrip('"').removeprefix(KEY).lstrip('"')
    delimiter = head[0] if head and head[0] in ";\t" else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    labels: dict[str, dict[str, Given]] = {}
    try:
        columns = [name.strip() for name in next(reader, [])]
        missing = [name for name in (KEY, *scheme) if name not in columns]
        if missing:
            raise UserError(
                f"The file of labels has no column {', '.join(missing)}.",
                where=f"{path}, row 1",
                hint="name its columns " + ", ".join((KEY, "text", *scheme)) + ", or rename it to get a new one",
            )
        for row, cells in enumerate(reader, start=2):
            values = dict(zip(columns, cells, strict=False))
            answer = _labels_of(values, scheme, f"{path}, row {row}")
            key = values.get(KEY, "").strip()
            if answer and labels.setdefault(key, answer) != answer:
                raise UserError(
                    "A text is there twice, with different labels.",
                    where=f"{path}, row {row}",
                    hint=f"keep one of the rows with the {KEY} {key}",
                )
    except csv.Error as error:
        raise UserError(
            f"The file of labels cannot be read: {error}.",
            where=f"{path}, line {reader.line_num}",
            hint="save it as CSV once more",
        ) from error
    return labels


def _labels_of(values: Mapping[str, str], scheme: Scheme, where: str) -> dict[str, Given]:
    answer = {}
    for name, label in scheme.items():
        cell = values.get(name, "").strip()
        if not cell:
            continue
        known = known_value(cell, label)
        if known is None:
            raise UserError(
                f"`{cell[:50]}` is no value of {name}.",
                where=f"{where}, column {name}",
                hint=f"write one of {', '.join(label.values)}, or leave the cell empty",
            )
        answer[name] = Given(known)
    return answer
