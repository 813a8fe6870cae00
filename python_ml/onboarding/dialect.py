"""How a text file separates its columns, judged from a sample of its text.

DuckDB's own sniffer may skip lines or take a ragged file for a single column. Here nothing is skipped: what does not
fit is told.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

DELIMITERS = (",", ";", "\t", "|")
MOSTLY = 0.9
MAX_LINES = 2000


@dataclass(frozen=True)
class Dialect:
    """How to read a delimited text file.

    Attributes
    ----------
    format : str
        ``csv`` or ``whitespace``.
    names : list of str
        Column names, different from each other also without regard to case.
    header : bool
        Whether the first line holds them.
    delim, quote, escape : str
        For ``csv``; ``quote`` is empty where quotes are ordinary characters.
    new_line : str
        ``\\n``, ``\\r\\n`` or ``\\r`` written with backslashes, as DuckDB takes it; empty where the file mixes them.
    misfits : tuple of (int, int)
        Up to ten sample lines (counted from 1) with another number of columns, and that number.
    """

    format: str
    names: list[str]
    header: bool
    delim: str = ","
    quote: str = '"'
    escape: str = '"'
    new_line: str = "\\n"
    misfits: tuple[tuple[int, int], ...] = ()


def detect(text: str, complete: bool) -> Dialect:
    """Judge a sample.

    Parameters
    ----------
    text : str
        Beginning of the file, without a byte-order mark; not blank.
    complete : bool
        Whether it is the whole file; otherwise its last line may be cut.

    Returns
    -------
    Dialect
    """
    if not complete:
        cut = max(text.rfind("\n"), text.rfind("\r"))
        text = text[: cut + 1] if cut > 0 else text
    blanks = _by_blanks(text)
    if blanks is not None:
        return blanks
    readings = [_read(text, delimiter, quote) for delimiter in DELIMITERS for quote in ('"', "")]
    best = max(
        readings, key=lambda r: (r.width > 1, r.agreeing >= MOSTLY, r.width if r.agreeing >= MOSTLY else 0, r.agreeing)
    )
    first = best.rows[0]
    header = looks_like_names(first) or _stand_above_numbers(best.rows)
    names = distinct_names(first) if header else [f"column_{place}" for place in range(1, best.width + 1)]
    escape = "\\" if best.quote and '\\"' in text and '""' not in text else best.quote
    return Dialect(
        "csv", names, header, best.delimiter, best.quote, escape, _new_line(text, best.quote), tuple(best.misfits[:10])
    )


def looks_like_names(cells: Sequence[str]) -> bool:
    """Whether a first line holds column names: something in most cells, and no number or date among them."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    if not filled or len(filled) < max(1, len(cells) - 1):
        return False
    return not any(_is_number(cell) for cell in filled)


def _is_number(cell: str) -> bool:
    """Whether a cell is a number, a date or an amount of money."""
    return bool(re.fullmatch(r"[\s$€£+-]*\d[\d.,:/\sT+Z-]*", cell.strip()))


def _stand_above_numbers(rows: list[list[str]]) -> bool:
    """Whether a first line with a number in it, such as the year 2020, still holds names: words above numbers."""
    first, below = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    if len(below) < 3 or 2 * sum(_is_number(cell) for cell in first) > len(first):
        return False
    for place, cell in enumerate(first):
        filled = [row[place] for row in below if row[place].strip()]
        is_name = bool(re.search(r"[^\W\d_]{3}", cell)) and not _is_number(cell)
        if is_name and len(filled) >= 3 and sum(_is_number(value) for value in filled) >= MOSTLY * len(filled):
            return True
    return False


def distinct_names(cells: Sequence[str]) -> list[str]:
    """Names of all columns: blank ones numbered, repeated ones (whatever their case) with a number behind."""
    names: list[str] = []
    used: set[str] = set()
    for place, cell in enumerate(cells, start=1):
        base = cell if cell.strip() else f"column_{place}"
        name, number = base, 0
        while name.lower() in used:
            number += 1
            name = f"{base}_{number}"
        used.add(name.lower())
        names.append(name)
    return names


@dataclass(frozen=True)
class _Reading:
    delimiter: str
    quote: str
    rows: list[list[str]]
    width: int
    agreeing: float
    misfits: list[tuple[int, int]]


def _read(text: str, delimiter: str, quote: str) -> _Reading:
    """Split a sample in one way, and see how many lines agree with the first one."""
    rows, misfits = [], []
    settings = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, **settings)
    try:
        for row in reader:
            if row:
                rows.append(row)
                if len(row) != len(rows[0]):
                    misfits.append((reader.line_num, len(row)))
            if len(rows) >= MAX_LINES:
                break
    except csv.Error:
        # such as a field without end: not the way to read it
        misfits = [(reader.line_num, 0)] * (len(rows) + 1)
    if not rows:
        return _Reading(delimiter, quote, [[text]], 1, 0.0, [])
    return _Reading(delimiter, quote, rows, len(rows[0]), 1 - len(misfits) / len(rows), misfits)


def _by_blanks(text: str) -> Dialect | None:
    """Columns apart by runs of blanks, where no line has another delimiter."""
    lines = [line for line in text.splitlines()[:MAX_LINES] if line.strip()]
    if len(lines) < 2 or any(re.search(r"[,;|\t]", line.strip()) for line in lines[:20]):
        return None
    widths = [len(line.split()) for line in lines]
    width = widths[-1]
    if width < 2 or sum(w == width for w in widths[1:]) < 0.95 * (len(widths) - 1):
        return None
    if widths[0] == width and looks_like_names(lines[0].split()):
        return Dialect("whitespace", distinct_names(lines[0].split()), True)
    return Dialect("whitespace", [f"column_{place}" for place in range(1, width + 1)], False)


def _new_line(text: str, quote: str) -> str:
    """What ends a row; line breaks within quotes do not count."""
    outside = re.sub(r'"[^"]*"', "", text) if quote else text
    pairs = outside.count("\r\n")
    single = outside.count("\n") - pairs
    returns = outside.count("\r") - pairs
    if (pairs > 0) + (single > 0) + (returns > 0) > 1:
        return ""
    return "\\r\\n" if pairs else "\\r" if returns else "\\n"
