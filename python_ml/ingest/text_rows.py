"""Text files that DuckDB cannot read in place, row by row into parquet; lines that are no rows are kept as such."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import re
import zipfile
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from python_ml.errors import UserError
from python_ml.ingest.schema import LINE_NUMBER, LINE_PROBLEM, LINE_TEXT

MAX_REJECTED = 0.01  # share of a file's lines that may be no rows
_ALWAYS, _ALWAYS_SHARE = 3, 0.05  # so many lines may be broken whatever their share, up to this one
_BATCH = 20_000
LONGEST_LINE = 1 << 24  # characters; a longer line is no row, and would take memory many times over
_CHUNK = 1 << 20
_SURROGATE = re.compile("[\udc80-\udcff]")
_TEXT_KEPT = 1000  # characters of a rejected line
DESCRIPTION = "describes the columns"


@dataclass
class Rejected:
    """Lines that are no rows: how many by reason, and the first one."""

    reasons: Counter[str] = field(default_factory=Counter)
    first: str = ""
    rows: int = 0

    def add(self, number: int, problem: str, sentence: str) -> None:
        """Count a line."""
        self.reasons[problem] += 1
        self.first = self.first or sentence.format(line=f"Line {number}")

    def allowed(self) -> bool:
        """Whether the rest of the file can still be trusted."""
        broken = sum(n for reason, n in self.reasons.items() if reason != DESCRIPTION)
        total = self.rows + broken
        return broken <= max(MAX_REJECTED * total, min(_ALWAYS, _ALWAYS_SHARE * total))


def open_bytes(path: Path, options: dict[str, Any]) -> IO[bytes]:
    """Open the bytes of a file: of a member of a zip archive, or uncompressed, as ``options`` has it."""
    if options.get("member"):
        return zipfile.ZipFile(path).open(options["member"])
    opener = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open}.get(options.get("compression", ""), open)
    return opener(path, "rb")  # type: ignore[operator]


def write_text_rows(path: Path, options: dict[str, Any], target: Path) -> Rejected:
    """Read a text file, and write all its rows and rejected lines to parquet.

    Parameters
    ----------
    path : Path
    options : dict
        ``encoding``, ``names``, ``header``, ``skip``, ``delim``, ``quote``, ``escape`` (or ``whitespace: true``),
        ``description_row``, ``compression``, ``member``.
    target : Path
        Columns of text under their raw names, and the three columns of rejected lines.

    Raises
    ------
    UserError
        When too many lines are no rows, or the header has changed.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = options["names"]
    schema = pa.schema(
        [
            *((name, pa.string()) for name in names),
            (LINE_NUMBER, pa.int64()), (LINE_TEXT, pa.string()), (LINE_PROBLEM, pa.string()),
        ]
    )  # fmt: skip
    rejected = Rejected()
    batch: list[tuple] = []
    nothing, good = (None,) * len(names), (None, None, None)
    with open_bytes(path, options) as file, pq.ParquetWriter(target, schema, compression="zstd") as writer:

        def flush() -> None:
            columns = zip(*batch, strict=True) if batch else [() for _ in schema]
            arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            batch.clear()

        for number, cells, text, problem, sentence in _rows(file, path, options):
            if problem:
                rejected.add(number, problem, sentence)
                shown = _SURROGATE.sub("\ufffd", text.replace("\x00", "\ufffd")).rstrip("\r\n")[:_TEXT_KEPT]
                batch.append((*nothing, number, shown, problem))
                if rejected.reasons.total() > 1000 and rejected.reasons.total() > rejected.rows:
                    break
            else:
                rejected.rows += 1
                batch.append((*[cell or None for cell in cells], *good))
            if len(batch) >= _BATCH:
                flush()
        flush()
    if not rejected.allowed():
        raise UserError(
            rejected.first,
            where=str(path),
            hint="correct the lines, or export the file again (texts that hold a delimiter need quotes)"
            if "columns" in rejected.first
            else "save the file as UTF-8, or name its encoding with --encoding",
        )
    return rejected


def _rows(file: IO[bytes], path: Path, options: dict[str, Any]) -> Iterator[tuple[int, list[str], str, str, str]]:
    """Number, cells, text and problem of each line behind the header; the problem is empty for rows."""
    encoding = {"utf-8": "utf-8-sig"}.get(options["encoding"], options["encoding"])
    lines = _Lines(io.TextIOWrapper(file, encoding, errors="surrogateescape", newline=""))
    for _ in range(options.get("skip", 0)):
        next(lines, None)
    reader = _split(lines) if options.get("whitespace") else _csv_reader(lines, options)
    width = len(options["names"])
    expects_header, expects_description = options.get("header", True), options.get("description_row", False)
    while True:
        lines.taken.clear()
        number = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            cells = []
            if not lines.taken:
                return
        except (EOFError, OSError, UnicodeError, lzma.LZMAError) as error:
            raise UserError(
                f"The file cannot be read: {error}.", where=str(path), hint="copy or export it again"
            ) from error
        text = "".join(lines.taken)
        if not text.strip():
            continue
        if expects_header:
            expects_header = False
            _check_header(path, cells, options)
            continue
        problem = sentence = ""
        if not text.isascii() and _SURROGATE.search(text):
            problem = f"not {options['encoding']}"
            sentence = f"{{line}} is not {options['encoding']}."
            if options.get("mixed"):
                sentence = f"The file mixes encodings: {options['mixed']}."
        elif lines.is_cut:
            problem = f"longer than {LONGEST_LINE >> 20} MiB"
            sentence = f"{{line}} is longer than {LONGEST_LINE >> 20} MiB."
        elif "\x00" in text:
            problem, sentence = "NUL byte", "{line} holds a NUL byte: the file is binary or not readable text."
        elif expects_description:
            expects_description, problem = False, DESCRIPTION
        elif len(cells) != width:
            problem = f"{len(cells)} columns instead of {width}" if cells else "a quote without end"
            sentence = f"{{line}} has {len(cells)} columns where the first line has {width}."
        if problem and len(lines.taken) > 1:
            # A quote without an end took further lines along.
            text = lines.give_back()
        yield number, cells, text, problem, sentence


def _check_header(path: Path, cells: list[str], options: dict[str, Any]) -> None:
    """Columns are read by their place, so a file whose columns moved must be refused."""
    for place, name in enumerate(options["names"]):
        cell = cells[place] if place < len(cells) else ""
        # A blank name got a number, and so did a repeated one.
        if cell.strip() and not name.startswith(cell) and not name.startswith(cell.strip()):
            raise UserError(
                f"The columns of the file changed: number {place + 1} is now `{cell}` and was `{name}`.",
                where=str(path),
                hint="bring the old order back, or run `retention init` again",
            )


def _csv_reader(lines: Iterator[str], options: dict[str, Any]) -> Iterator[list[str]]:
    csv.field_size_limit(LONGEST_LINE)
    settings: dict[str, Any] = {"quotechar": options["quote"]} if options["quote"] else {"quoting": csv.QUOTE_NONE}
    if options.get("escape") == "\\":
        settings |= {"escapechar": "\\", "doublequote": False}
    return csv.reader(lines, delimiter=options["delim"], **settings)


def _split(lines: Iterator[str]) -> Iterator[list[str]]:
    for line in lines:
        yield line.split()


class _Lines:
    """Lines of a text, which remembers those that were taken, and takes them back.

    Of a line longer than :data:`LONGEST_LINE` only the beginning is kept.
    """

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self.stream, self.pending, self.taken, self.number = stream, deque[str](), list[str](), 0
        self._cut: set[int] = set()

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self.pending.popleft() if self.pending else self.stream.readline(LONGEST_LINE + 1)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) > LONGEST_LINE:
            self._cut.add(self.number)
            rest = line
            while rest and not rest.endswith(("\n", "\r")):
                rest = self.stream.readline(_CHUNK)
            line = line[:_TEXT_KEPT] + "\n"
        self.taken.append(line)
        return line

    @property
    def is_cut(self) -> bool:
        """Whether one of the taken lines was too long."""
        return bool(self._cut) and not self._cut.isdisjoint(range(self.number - len(self.taken) + 1, self.number + 1))

    def give_back(self) -> str:
        """Give all lines but the first one back, and return that one."""
        first, *rest = self.taken
        self.pending.extendleft(reversed(rest))
        self.number -= len(rest)
        return first
