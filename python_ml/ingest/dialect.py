"""How a text file separates its columns, judged from a sample of its text."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from python_ml.errors import UserError

DELIMITERS = (",", ";", "\t", "|")
_UNUSUAL = ("~", "^", "\x01", "¦", ":", "§", "#")
MOSTLY = 0.9
MAX_LINES = 2000
MAX_PREAMBLE = 30
MAX_COLUMNS = 50_000  # beyond, the planner of any engine takes minutes, and nobody reads the SQL
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MIN_MONTHS = 4


@dataclass(frozen=True)
class Dialect:
    """How to read a delimited text file.

    Attributes
    ----------
    format : str
        ``csv`` or ``whitespace``.
    names : tuple of str
        Column names, different from each other also without regard to case.
    header : bool
        Whether the first line (behind the skipped ones) holds them.
    delim, quote, escape : str
        For ``csv``; ``quote`` is empty where quotes are ordinary characters.
    new_line : str
        ``\\n``, ``\\r\\n`` or ``\\r`` written with backslashes, as DuckDB takes it; empty where the file mixes them.
    skip : int
        Lines before the header.
    rows : tuple of tuple of str
        Cells of the sample, from the first row below the header on.
    """

    format: str
    names: tuple[str, ...]
    header: bool
    delim: str = ","
    quote: str = '"'
    escape: str = '"'
    new_line: str = "\\n"
    skip: int = 0
    rows: tuple[tuple[str, ...], ...] = ()


def detect(text: str, complete: bool, where: str = "") -> Dialect:
    """Judge a sample.

    Parameters
    ----------
    text : str
        Beginning of the file, without a byte-order mark; not blank.
    complete : bool
        Whether it is the whole file; otherwise its last line may be cut.
    where : str, optional
        The file, for messages.

    Raises
    ------
    UserError
        When there are more than :data:`MAX_COLUMNS` columns.
    """
    if not complete:
        cut = max(text.rfind("\n"), text.rfind("\r"))
        text = text[: cut + 1] if cut > 0 else text
    new_line = _new_line(text)
    instruction = re.match(r"[\"']?sep=(.|\\t)[\"']?[ \t;,|]*(\r\n|\r|\n)", text, re.IGNORECASE)
    skip = 0
    if instruction:
        # Excel's way to name the delimiter.
        text, skip = text[instruction.end() :], 1
    blanks = _by_blanks(text) if not instruction else None
    if blanks is not None:
        return blanks
    named = (instruction[1].replace("\\t", "\t"),) if instruction else ()
    splits = [_split(text, delimiter, quote) for delimiter in named or DELIMITERS for quote in ('"', "")]
    if not named and max(s.width for s in splits) == 1:
        splits += [_split(text, delimiter, quote) for delimiter in _UNUSUAL for quote in ('"', "")]
    best = max(splits, key=_Split.rank)
    if max(best.width, len(best.rows[0])) > MAX_COLUMNS:
        raise UserError(
            f"The file has {max(best.width, len(best.rows[0])):,} columns; at most {MAX_COLUMNS:,} are read.",
            where=where,
            hint="check that its rows end with line breaks, or export one row per value instead of one column",
        )
    first, header_lines = best.rows[0], 0
    header = looks_like_names(first) or _stand_above_numbers(best.rows) or bool(months_of(first))
    if header and len(first) == best.width - 1:
        # Rows begin with their numbers, or end with a delimiter.
        ends_blank = not any(row[-1].strip() for row in best.rows[1:] if len(row) == best.width)
        first = [*first, ""] if ends_blank else ["row", *first]
        header_lines = 1
    names = distinct_names(first) if header else [f"column_{place}" for place in range(1, best.width + 1)]
    escape = "\\" if best.quote and '\\"' in text and '""' not in text else best.quote
    rows = tuple(tuple(row) for row in best.rows[1 if header else 0 :])
    return Dialect(
        "csv", tuple(names), header and not header_lines, best.delimiter, best.quote, escape, new_line,
        skip + best.skip + header_lines, rows,
    )  # fmt: skip


def looks_like_names(cells: Sequence[str]) -> bool:
    """Whether a first line holds column names: something in most cells, and no number or date among them."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    if not filled or len(filled) < max(1, len(cells) - 1):
        return False
    return not any(_is_number(cell) for cell in filled)


def describes_columns(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row describes the columns: it is text in each of several columns that hold numbers below."""
    if len(rows) < 4:
        return False
    first, below = rows[0], [row for row in rows[1:200] if len(row) == len(rows[0])]
    numbers = 0
    for place, cell in enumerate(first):
        filled = [row[place] for row in below if row[place].strip()]
        if filled and all(_is_number(value) for value in filled):
            if not re.search(r"[^\W\d_]{2}", cell) or _is_number(cell):
                return False
            numbers += 1
    return numbers >= 2 and all(cell.strip() for cell in first)


def distinct_names(cells: Sequence[str]) -> list[str]:
    """Names of all columns: blank ones numbered, repeated ones (whatever their case) with a number behind."""
    names: list[str] = []
    used: set[str] = set()
    numbers: Counter[str] = Counter()
    for place, cell in enumerate(cells, start=1):
        base = cell if cell.strip() else f"column_{place}"
        name = base
        while name.lower() in used:
            numbers[base.lower()] += 1
            name = f"{base}_{numbers[base.lower()]}"
        used.add(name.lower())
        names.append(name)
    return names


def _is_number(cell: str) -> bool:
    """Whether a cell is a number, a date or an amount of money."""
    return bool(re.fullmatch(r"[\s$€£+-]*\d[\d.,:/\sT+Z-]*", cell.strip()))


def _stand_above_numbers(rows: list[list[str]]) -> bool:
    """Whether a first line with a number in it, such as the year 2020, still holds names: text above numbers."""
    first, below = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    texts = [bool(re.search(r"[^\W\d_]{3}", cell)) and not _is_number(cell) for cell in first]
    if len(below) < 3 or not any(texts):
        return False
    years = sum(bool(re.fullmatch(r"(19|20)\d\d([-/]?\d\d)?", cell.strip())) for cell in first)
    if 2 * (sum(_is_number(cell) for cell in first) - years) > len(first):
        return False
    if years >= 3 and all(texts[i] or not c.strip() or _is_number(c) for i, c in enumerate(first)):
        return True
    for place in [place for place, is_text in enumerate(texts) if is_text]:
        filled = [row[place] for row in below if row[place].strip()]
        if len(filled) >= 3 and sum(_is_number(value) for value in filled) >= MOSTLY * len(filled):
            return True
    return False


def months_of(names: Iterable[str]) -> dict[str, str]:
    """Columns that are months, as ``2023-01``; empty unless most columns are, each a month of its own."""
    names = list(names)
    months = {name: month for name in names if (month := _month(name))}
    is_wide = len(months) >= _MIN_MONTHS and 2 * len(months) > len(names) and len(months) < len(names)
    return months if is_wide and len(set(months.values())) == len(months) else {}


def _month(name: str) -> str:
    text = name.strip()
    named = re.fullmatch(r"([A-Za-z]{3,9})\.?[-_/ ]?'?(\d{4}|\d{2})", text)
    if named and named[1].lower()[:3] in _MONTHS:
        year = int(named[2]) + (0 if len(named[2]) == 4 else 2000 if int(named[2]) < 70 else 1900)
        return f"{year}-{_MONTHS.index(named[1].lower()[:3]) + 1:02d}"
    result = re.fullmatch(r"((?:19|20)\d\d)[-_/.M]?(0[1-9]|1[0-2])(?:-01(?:[ T]00:00:00)?)?", text)
    if result:
        return f"{result[1]}-{result[2]}"
    result = re.fullmatch(r"(0?[1-9]|1[0-2])[-_/.]((?:19|20)\d\d)", text)
    return f"{result[2]}-{int(result[1]):02d}" if result else ""


@dataclass(frozen=True)
class _Split:
    delimiter: str
    quote: str
    rows: list[list[str]]
    skip: int
    width: int
    agreeing: float

    def rank(self) -> tuple[bool, bool, bool, int, float]:
        """The better it fits, the higher; on a tie the first way counts."""
        is_good = self.agreeing >= MOSTLY
        fits = len(self.rows[0]) == self.width and not self.skip
        return self.width > 1, is_good, fits, self.width if is_good else 0, self.agreeing


def _split(text: str, delimiter: str, quote: str) -> _Split:
    """Split a sample in one way, and see how many lines have the usual number of columns."""
    rows: list[tuple[int, list[str]]] = []
    broken = 0
    settings = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, **settings)
    start = 0
    try:
        for row in reader:
            if row:
                rows.append((start, row))
            start = reader.line_num
            if len(rows) >= MAX_LINES:
                break
    except csv.Error:
        # such as a field without end: not the way to read it
        broken = len(rows) + 1
    if not rows:
        return _Split(delimiter, quote, [[text]], 0, 1, 0.0)
    place = table_start([row for _, row in rows])
    kept = [row for _, row in rows[place:]]
    width = Counter(len(row) for row in kept[1:]).most_common(1)[0][0] if len(kept) > 1 else len(kept[0])
    agreeing = sum(len(row) == width for row in kept) - broken
    return _Split(delimiter, quote, kept, rows[place][0], width, agreeing / len(kept))


def table_start(rows: Sequence[Sequence[str]]) -> int:
    """Place of the header among the first rows: titles above it have fewer cells, or only one that is filled."""
    if len(rows) < 3:
        return 0
    width = Counter(len(row) for row in rows).most_common(1)[0][0]
    last = min(MAX_PREAMBLE, len(rows) - 2)
    place = 0
    while place < last and (
        len(rows[place]) < width or (width > 2 and sum(bool(cell.strip()) for cell in rows[place]) <= 1)
    ):
        place += 1
    if place == last or len(rows[place]) != width:
        return 0
    above = rows[place - 1] if place else []
    # A header with one name fewer, above numbers of rows or in front of a closing delimiter, is no title.
    is_short = len(above) == width - 1 > 1 and looks_like_names(above) and not looks_like_names(rows[place])
    return place - 1 if is_short else place


def _by_blanks(text: str) -> Dialect | None:
    """Columns apart by runs of blanks, where no line has another delimiter."""
    lines = [line for line in text.splitlines()[:MAX_LINES] if line.strip()]
    if len(lines) < 2 or any(re.search(r"[,;|\t]", line.strip()) for line in lines[:20]):
        return None
    widths = [len(line.split()) for line in lines]
    width = widths[-1]
    if width < 2 or sum(w == width for w in widths[1:]) < MOSTLY * (len(widths) - 1):
        return None
    header = widths[0] == width and looks_like_names(lines[0].split())
    cells = [tuple(line.split()) for line in lines]
    names = distinct_names(cells[0]) if header else [f"column_{place}" for place in range(1, width + 1)]
    return Dialect("whitespace", tuple(names), header, delim=" ", rows=tuple(cells[1 if header else 0 :]))


def _new_line(text: str) -> str:
    """What ends a row; line breaks within quotes do not count."""
    outside = re.sub(r'"[^"]*"', "", text) if '"' in text else text
    pairs = outside.count("\r\n")
    single = outside.count("\n") - pairs
    returns = outside.count("\r") - pairs
    if (pairs > 0) + (single > 0) + (returns > 0) > 1:
        return ""
    return "\\r\\n" if pairs else "\\r" if returns else "\\n"
