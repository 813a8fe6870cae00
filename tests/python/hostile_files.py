"""Files that mean harm, or that nobody thought of, each with what must become of it: read, or refused with a word.

Every file that can be read is a table of dated events, so that a project can be made of it as well.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

ROWS = 600
NAMES = (
    'say "x"', "{{ 1/0 }}", "{% raw %}", "x'; drop table file_0;--", "two  words", "größe 日本", "select", "Select ",
    "SELECT", "<b>bold</b>", "%s", "\u202egnp", "a\\b", "#", "order by", "__y", "-- c", "2020", "=1+1", "null",
)  # fmt: skip
VALUES = (
    "<script>alert(1)</script>",
    "{{ 7 * 7 }}",
    "'; drop table x;--",
    '"',
    "\\",
    "=cmd()",
    "\u202e",
    "%s",
    "'",
    "é",
)


@dataclass(frozen=True)
class Hostile:
    """A file and its fate.

    Attributes
    ----------
    make : callable
        Writes it into a folder, and gives its path.
    refused : str
        What the message says; empty where the file must be read.
    rejected : str
        Why its one broken line is quarantined; empty for none.
    quarantined : dict of str to int
        Rows that bronze quarantines, by reason.
    """

    make: Callable[[Path], Path]
    refused: str = ""
    rejected: str = ""
    quarantined: dict[str, int] = field(default_factory=dict)


def times(seed: int = 3, rows: int = ROWS) -> list[tuple[str, str, str]]:
    """Customers, times and amounts."""
    draw = random.Random(seed)
    start = datetime(2023, 1, 2)
    return [
        (
            f"C{draw.randrange(60):03d}",
            f"{start + timedelta(minutes=draw.randrange(500 * 1440)):%Y-%m-%d %H:%M:%S}",
            f"{draw.randrange(9999) / 100:.2f}",
        )
        for _ in range(rows)
    ]


def cell(text: str) -> str:
    """A CSV cell in quotes."""
    return '"' + text.replace('"', '""') + '"'


def csv_file(folder: Path, names: tuple[str, ...], more: Callable[[int], list[str]], rows: int = ROWS) -> Path:
    """Events with further columns."""
    lines = [",".join(["customer_id", "ordered_at", "amount", *map(cell, names)])]
    for number, row in enumerate(times(rows=rows)):
        lines.append(",".join([*row, *map(cell, more(number))]))
    path = folder / "orders.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def names(folder: Path) -> Path:
    """Column names and values that are code in some language."""
    return csv_file(folder, NAMES, lambda n: [VALUES[(n + k) % len(VALUES)] for k in range(len(NAMES))])


def wide(folder: Path) -> Path:
    """1,100 columns, which is beyond 1,000, the depth that DuckDB's parser and Python's calls have by default."""
    return csv_file(folder, tuple(f"c {k}" for k in range(1097)), lambda n: [str(n * k % 17) for k in range(1097)])


def long_names(folder: Path) -> Path:
    """Names of a thousand letters that differ in the last one."""
    return csv_file(folder, ("x" * 1000 + "a", "x" * 1000 + "b"), lambda n: [str(n % 5), str(n % 7)])


def far_times(folder: Path) -> Path:
    """Times before 1900 and after 2200 among others: put aside, and counted."""
    path = folder / "orders.csv"
    far = {1: "1066-10-14 00:00:00", 2: "9999-12-31 00:00:00", 3: "1899-12-31 23:59:59", 4: "2200-01-01 00:00:00"}
    lines = [f"{c},{far.get(n, t)},{a}" for n, (c, t, a) in enumerate(times())]
    path.write_text("customer_id,ordered_at,amount\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def far_times_parquet(folder: Path) -> Path:
    """The same, stored as timestamps."""
    path = folder / "orders.parquet"
    duckdb.sql(f"""
        copy (select 'C' || (i % 60) as customer_id, (i % 900) / 10.0 as amount,
            case i when 1 then timestamp '1066-10-14' when 2 then timestamp '9999-12-31'
                when 3 then timestamp '1899-12-31 23:59:59' when 4 then timestamp '2200-01-01'
                when 5 then timestamp 'infinity' when 6 then timestamp '0044-03-15 (BC)'
                else timestamp '2023-01-01' + to_hours((hash(i) % 11000)::int) end as ordered_at
            from range({ROWS}) t(i)) to '{path}' (format parquet)
    """)
    return path


def text(content: str | bytes) -> Callable[[Path], Path]:
    """A file of these bytes."""

    def make(folder: Path) -> Path:
        path = folder / "orders.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def rows_of(change: Callable[[int, str], str | bytes], header: str = "customer_id,ordered_at,amount,note") -> Callable:
    """A file whose lines are changed one by one."""

    def make(folder: Path) -> Path:
        lines: list[bytes] = [header.encode()]
        for number, row in enumerate(times()):
            line = change(number, ",".join(row))
            lines.append(line.encode() if isinstance(line, str) else line)
        path = folder / "orders.csv"
        path.write_bytes(b"\n".join(lines) + b"\n")
        return path

    return make


def no_rows(folder: Path) -> Path:
    """A parquet file that has columns and nothing else."""
    path = folder / "orders.parquet"
    duckdb.sql(f"copy (select 'C' as customer_id, now() as ordered_at where false) to '{path}' (format parquet)")
    return path


def a_folder(folder: Path) -> Path:
    """A folder where a file should be."""
    (folder / "orders").mkdir()
    return folder / "orders"


def cut_parquet(folder: Path) -> Path:
    """A parquet file that was not copied to its end."""
    path = far_times_parquet(folder)
    path.write_bytes(path.read_bytes()[:-200])
    return path


def odd_types(folder: Path) -> Path:
    """Lists, structures, maps, bytes, intervals and numbers beyond all bounds."""
    path = folder / "orders.parquet"
    duckdb.sql(f"""
        copy (select 'C' || (i % 60) as customer_id,
            timestamp '2023-01-01' + to_hours((hash(i) % 11000)::int) as ordered_at, i as amount,
            [i, 2] as l, {{'a': i}} as s, map {{'k': i}} as m, 'x'::blob as b, interval 3 day as iv, time '10:00' as t,
            null::int as n, (i * 1e30)::decimal(38, 0) as d, 12345678901234567890123456789::hugeint + i as h,
            case i % 4 when 0 then 'nan'::double when 1 then 'inf'::double when 2 then 1e308 else -1e308 end as x,
            i % 2 = 0 as "Yes ", i % 9 as "yes"
            from range({ROWS}) t(i)) to '{path}' (format parquet)
    """)
    return path


FILES = {
    "names": Hostile(names),
    "long names": Hostile(long_names),
    "1,100 columns": Hostile(wide),
    "types of all kinds": Hostile(odd_types),
    "far times": Hostile(far_times, quarantined={"implausible ordered_at": 4}),
    "far times in parquet": Hostile(far_times_parquet, quarantined={"implausible ordered_at": 6}),
    "an unterminated quote": Hostile(rows_of(lambda n, row: row + (',"and then' if n == 300 else ",x"))),
    "quotes within words": Hostile(rows_of(lambda n, row: row + (',5" pipe' if n % 9 == 0 else ",x"))),
    "line breaks in quotes": Hostile(rows_of(lambda n, row: row + (',"a\nb\r\nc"' if n % 50 == 0 else ",x"))),
    "mixed line ends": Hostile(rows_of(lambda n, row: row + (",x\r" if n % 3 else ",x"))),
    "latin-1": Hostile(rows_of(lambda n, row: row.encode() + (b",M\xfcller" if n == 500 else b",x"))),
    "short rows": Hostile(rows_of(lambda n, row: row + ("" if n == 400 else ",x")), rejected="3 columns instead of 4"),
    "long rows": Hostile(
        rows_of(lambda n, row: row + (",x,y" if n == 400 else ",x")), rejected="5 columns instead of 4"
    ),
    "NUL bytes": Hostile(rows_of(lambda n, row: row.encode() + (b",\x00" if n == 400 else b",x")), rejected="NUL byte"),
    "mixed encodings": Hostile(
        rows_of(lambda n, row: row.encode() + (b",M\xfcller" if n == 7 else "é".encode().join([b",x", b""]))),
        rejected="not utf-8",
    ),
    "nothing": Hostile(text(b""), "empty"),
    "blanks": Hostile(text(" \n\n \t\n"), "empty"),
    "a mark and nothing": Hostile(text(b"\xef\xbb\xbf"), "empty"),
    "a header": Hostile(text("customer_id,ordered_at\n"), "no rows"),
    "a folder": Hostile(a_folder, "a folder"),
    "no rows in parquet": Hostile(no_rows, "no rows"),
    "a cut parquet file": Hostile(cut_parquet, "cannot be read"),
    "a zip archive": Hostile(text(b"PK\x03\x04" + bytes(range(256))), "zip archive"),
    "a cut gzip file": Hostile(text(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48"), "cannot be read"),
    "a program": Hostile(text(b"\x7fELF\x02\x01\x01\x00" * 30), "not readable text"),
}
