"""Measurements as tables: in the terminal, and in docs/benchmarks.md between the marks of each table."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .bench import Row

Parts = dict[str, list[Row]]
IDENTITY = ("who", "events", "events_per_customer", "dates", "windows", "memory_limit")
PACKAGES = ("duckdb", "pandas", "polars", "numpy", "pyspark")
NOTHING = "–"


def machine(threads: int) -> dict[str, Any]:
    """Versions and size of the machine."""
    found: dict[str, Any] = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    return found | {
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "memory_gib": round(memory / 2**30),
        "threads": threads,
    }


def merged(old: list[Row], new: list[Row]) -> list[Row]:
    """Old rows with those replaced that were measured again."""
    again = {_identity(row) for row in new}
    kept = [row for row in old if _identity(row) not in again]
    return sorted(kept + new, key=lambda row: [row["events"], row["events_per_customer"], row["dates"]])


def _identity(row: Row) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in IDENTITY)


# One cell of a table.


def number(value: float | None, places: int = 1) -> str:
    """A figure with so many places and thousands apart."""
    return NOTHING if value is None else f"{value:,.{places}f}"


def figure(row: Row | None, name: str, places: int = 1) -> str:
    """A figure of a row; `*` when it was run once only, and the reason when it did not end."""
    if row is None:
        return NOTHING
    if row.get("failure"):
        return str(row["failure"])
    return number(row.get(name), places) + ("*" if row["runs"] == 0 else "")


def ratio(row: Row | None, name: str) -> str:
    """A ratio of a row, such as `4.5 x`."""
    if row is None or row.get("failure") or row.get(name) is None:
        return figure(row, name)
    return number(row[name]) + " x" + ("*" if row["runs"] == 0 else "")


# Tables: a heading and lines of cells.

Table = tuple[list[str], list[list[str]]]


def everything(rows: Iterable[Row]) -> Table:
    """One line a row, for the terminal."""
    heading = [
        "who", "events", "per customer", "dates", "windows", "memory limit", "pairs/event", "L (s)", "seconds", "runs",
        "x L", "x L per pair", "x ours", "peak MiB", "spilled MiB", "equal to ours",
    ]  # fmt: skip
    return heading, [
        [
            row["who"],
            f"{row['events']:,}",
            f"{row['events_per_customer']:,}",
            str(row["dates"]),
            str(row["windows"]),
            row["memory_limit"] or NOTHING,
            number(row["pairs_per_event"]),
            number(row["floor_seconds"], 3),
            row["failure"] or number(row["seconds"], 2),
            str(row["runs"]) if row["runs"] else "1, cold",
            number(row.get("in_floors")),
            number(row.get("per_pair"), 2),
            number(row.get("in_ours"), 2),
            number(row["peak_mib"], 0),
            number(row["spilled_mib"], 0),
            row["equal"] or NOTHING,
        ]
        for row in rows
    ]


def speed(parts: Parts) -> Table:
    """Everybody side by side, a line for each size and number of dates."""
    heading = ["events", "per customer", "dates", "pairs per event", "L (s)", "ours", "ours per pair"]
    heading += ["textbook / ours", "polars / ours", "pandas / ours"]
    lines = []
    for (events, per_customer, dates), group in _by_size(parts, "windows", "frames", "dense").items():
        ours = group["ours"]
        lines.append(
            [
                f"{events:,}",
                f"{per_customer:,}",
                str(dates),
                number(ours["pairs_per_event"]),
                number(ours["floor_seconds"], 3),
                f"{number(ours['in_floors'])} L",
                f"{number(ours['per_pair'], 2)} L",
                *(ratio(group.get(who), "in_ours") for who in ("textbook", "polars", "pandas")),
            ]
        )
    return heading, lines


def details(parts: Parts) -> Table:
    """Seconds and memory of everybody."""
    heading = ["events", "per customer", "dates", "who", "seconds", "peak memory (MiB)", "spilled (MiB)", "compared"]
    lines = []
    for (events, per_customer, dates), group in _by_size(parts, "windows", "frames", "dense").items():
        for who, row in group.items():
            lines.append(
                [
                    f"{events:,}",
                    f"{per_customer:,}",
                    str(dates),
                    who,
                    figure(row, "seconds", 2),
                    number(row["peak_mib"], 0),
                    number(row["spilled_mib"], 0),
                    "the reference" if who == "ours" else row["equal"] or NOTHING,
                ]
            )
    return heading, lines


def memory(parts: Parts) -> Table:
    """Less and less memory."""
    heading = ["events", "dates", "memory limit", "ours", "seconds", "peak memory (MiB)", "spilled (MiB)"]
    return heading, [
        [
            f"{row['events']:,}",
            str(row["dates"]),
            row["memory_limit"] or "none",
            row["failure"] or f"{number(row['in_floors'])} L",
            figure(row, "seconds", 2),
            number(row["peak_mib"], 0),
            number(row["spilled_mib"], 0),
        ]
        for row in parts.get("memory", [])
    ]


def incremental(parts: Parts) -> Table:
    """One date more."""
    heading = ["events", "dates", "who", "seconds", "x L", "of all dates anew", "compared"]
    return heading, [
        [
            f"{row['events']:,}",
            str(row["dates"]),
            row["who"],
            figure(row, "seconds", 2),
            number(row.get("in_floors")),
            f"{100 * row['in_ours']:.0f} %",
            row["equal"] or NOTHING,
        ]
        for row in parts.get("incremental", [])
    ]


def curve(parts: Parts) -> Table:
    """Cost against dates and windows."""
    heading = ["dates", "windows", "features", "pairs per event", "ours", "ours per pair"]
    return heading, [
        [
            str(row["dates"]),
            str(row["windows"]),
            str(row["features"]),
            number(row["pairs_per_event"]),
            f"{number(row['in_floors'])} L",
            f"{number(row['per_pair'], 2)} L",
        ]
        for row in sorted(parts.get("curve", []), key=lambda row: (row["windows"] < 7, row["dates"], row["windows"]))
    ]


def large(parts: Parts) -> Table:
    """Many events in little memory."""
    heading = ["events", "dates", "memory limit", "chunks", "ours", "seconds", "peak memory (MiB)", "spilled (MiB)"]
    return [*heading, "compared"], [
        [
            f"{row['events']:,}",
            str(row["dates"]),
            row["memory_limit"],
            str(row["chunks"]),
            row["failure"] or f"{number(row['in_floors'])} L",
            figure(row, "seconds", 0),
            number(row["peak_mib"], 0),
            number(row["spilled_mib"], 0),
            row["equal"] or NOTHING,
        ]
        for row in parts.get("large", [])
    ]


def _plain(part: str) -> Callable[[Parts], Table]:
    def table(parts: Parts) -> Table:
        heading = ["events", "dates", "who", "seconds", "x L", "/ ours", "peak memory (MiB)", "compared"]
        return heading, [
            [
                f"{row['events']:,}",
                str(row["dates"]),
                row["who"],
                figure(row, "seconds", 2),
                number(row.get("in_floors")),
                ratio(row, "in_ours"),
                number(row["peak_mib"], 0),
                row["equal"] or NOTHING,
            ]
            for row in parts.get(part, [])
        ]

    return table


TABLES: dict[str, Callable[[Parts], Table]] = {
    "speed": speed,
    "details": details,
    "memory": memory,
    "incremental": incremental,
    "curve": curve,
    "large": large,
    "featuretools": _plain("featuretools"),
    "spark": _plain("spark"),
}


def _by_size(parts: Parts, *names: str) -> dict[tuple[int, int, int], dict[str, Row]]:
    """Rows by size and then by who; sizes that ours is missing from are left out."""
    groups: dict[tuple[int, int, int], dict[str, Row]] = {}
    for name in names:
        for row in parts.get(name, []):
            key = (row["events_per_customer"], row["events"], row["dates"])
            groups.setdefault(key, {}).setdefault(row["who"], row)
    return {
        (events, per_customer, dates): group
        for (per_customer, events, dates), group in sorted(groups.items())
        if "ours" in group
    }


def as_text(table: Table) -> str:
    """A table for the terminal; columns with nothing in them are left out."""
    heading, lines = table
    filled = [i for i in range(len(heading)) if any(line[i] != NOTHING for line in lines)]
    rows = [[cells[i] for i in filled] for cells in [heading, *lines]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(filled))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def as_markdown(table: Table) -> str:
    """A table for the docs."""
    heading, lines = table
    rows = [heading, ["---:"] * len(heading), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def write_docs(docs: Path, parts: Parts, environment: dict[str, Any]) -> None:
    """Write what was measured between `<!-- table: NAME -->` and `<!-- end -->`; the rest stays as it is."""
    text = docs.read_text(encoding="utf-8")
    for name, table in TABLES.items():
        found = table(parts)
        if found[1]:
            text = _between(text, name, as_markdown(found))
    text = _between(text, "machine", ", ".join(f"{key} {value}" for key, value in environment.items()))
    docs.write_text(text, encoding="utf-8")


def _between(text: str, name: str, content: str) -> str:
    pattern = rf"(<!-- table: {name} -->\n).*?(\n<!-- end -->)"
    return re.sub(pattern, lambda mark: mark.group(1) + content + mark.group(2), text, count=1, flags=re.DOTALL)
