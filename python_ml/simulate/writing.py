"""Writes a world block by block, into a temporary folder that is moved into place once it is complete."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from python_ml.errors import UserError
from python_ml.simulate.behaviour import simulate_block
from python_ml.simulate.schema import FREE_TEXT, TABLES
from python_ml.simulate.tables import make_tables
from python_ml.simulate.world import BLOCK, CURVED, DRIVERS, WORLD_VERSION, World

MANIFEST = "world.yaml"
PARQUET_FROM = 50_000  # customers from which parquet is the default
FORMATS = ("csv", "parquet")


class _Sink(Protocol):
    def append(self, table: pa.Table) -> None: ...
    def close(self) -> None: ...


class _CsvSink:
    """Appends text columns as CSV: UTF-8, line feeds, quotes only where a value needs them, null as an empty field."""

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self._file = path.open("wb")
        self._file.write((",".join(columns) + "\n").encode())

    def append(self, table: pa.Table) -> None:
        if not table.num_rows:
            return
        fields = []
        for name in table.column_names:
            values = pc.fill_null(table[name].combine_chunks().cast(pa.large_string()), "")
            fields.append(_quoted(values) if name in FREE_TEXT else values)
        lines = pc.binary_join_element_wise(*fields, _text(","))
        lines = pc.binary_join_element_wise(lines, _text("\n"), _text(""))
        # The joined strings lie one after the other in a single buffer: that buffer is the text of the file.
        offsets, data = lines.buffers()[1:]
        size = int.from_bytes(memoryview(offsets)[8 * len(lines) : 8 * len(lines) + 8], "little")
        self._file.write(memoryview(data)[:size])

    def close(self) -> None:
        self._file.close()


class _ParquetSink:
    """Appends text columns as parquet, one row group per block."""

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        schema = pa.schema([(name, pa.string()) for name in columns])
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")

    def append(self, table: pa.Table) -> None:
        self._writer.write_table(table)

    def close(self) -> None:
        self._writer.close()


def write_world(
    world: World,
    out: Path,
    file_format: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Simulate a world and write its raw tables and its manifest.

    Blocks of customers follow one another, so memory does not grow with the world. The same world and format
    give the same bytes.

    Parameters
    ----------
    world : World
    out : Path
        Folder to make; it may exist if it is empty.
    file_format : {'csv', 'parquet'}, optional
        By default CSV, and parquet from 50,000 customers on.
    progress : callable, optional
        Called after each block with the customers done and the rows written so far.

    Returns
    -------
    dict
        The manifest, as written to ``world.yaml``.

    Raises
    ------
    UserError
        When ``out`` is not empty or cannot be made, or the format is unknown.
    """
    file_format = file_format or ("parquet" if world.customers >= PARQUET_FROM else "csv")
    if file_format not in FORMATS:
        raise UserError(f"There is no format '{file_format}'.", where="--format", hint="choose csv or parquet")
    out = out.resolve()
    _check_empty(out)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.parent))
    except OSError as error:
        raise UserError(
            f"The folder cannot be made: {error.strerror}.",
            where=str(out),
            hint="choose a folder that you can write to",
        ) from error
    try:
        manifest = _write_into(partial, world, file_format, progress)
        partial.chmod(0o755)
        if out.exists():
            out.rmdir()
        partial.rename(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return manifest


def _write_into(
    folder: Path, world: World, file_format: str, progress: Callable[[int, int], None] | None
) -> dict[str, Any]:
    make = _CsvSink if file_format == "csv" else _ParquetSink
    sinks: dict[str, _Sink] = {
        name: make(folder / f"{name}.{file_format}", columns) for name, columns in TABLES.items()
    }
    rows: Counter[str] = Counter()
    defects: dict[str, Counter[str]] = {name: Counter() for name in TABLES}
    try:
        for number in range(world.blocks):
            raw = make_tables(world, simulate_block(world, number), number)
            for name, table in raw.tables.items():
                sinks[name].append(table)
                rows[name] += table.num_rows
                defects[name].update(raw.counts[name])
            if progress:
                progress(min((number + 1) * BLOCK, world.customers), sum(rows.values()))
    finally:
        for sink in sinks.values():
            sink.close()
    manifest = _manifest(world, file_format, rows, defects)
    (folder / MANIFEST).write_text(yaml.safe_dump(manifest, sort_keys=False), encoding="utf-8", newline="\n")
    return manifest


def _manifest(world: World, file_format: str, rows: Counter[str], defects: dict[str, Counter[str]]) -> dict[str, Any]:
    hazard = asdict(world.hazard)
    month_terms = [*DRIVERS, *(f"{DRIVERS[index]}_squared" for index in CURVED)]
    return {
        "version": WORLD_VERSION,
        "arguments": {
            "customers": world.customers,
            "months": world.months,
            "seed": world.seed,
            "start": world.start.isoformat(),
            "format": file_format,
        },
        "end": f"{world.end:%Y-%m-%d %H:%M:%S}",
        "drift_from": f"{world.moment(world.drift_day):%Y-%m-%d %H:%M:%S}",
        "rows": {name: rows[name] for name in TABLES},
        "defects": {name: dict(sorted(counts.items())) for name, counts in defects.items() if counts},
        "hazard": {
            "intercept": hazard["intercept"],
            "coefficients": dict(zip(DRIVERS, hazard["coefficients"], strict=True)),
            "month_intercept": hazard["month_intercept"],
            "month_coefficients": dict(zip(month_terms, hazard["month_coefficients"], strict=True)),
        },
    }


def _check_empty(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(
            "The folder is not empty; nothing was written." if out.is_dir() else "There is a file of that name.",
            where=str(out),
            hint="choose another folder with --out, or remove this one",
        )


def _quoted(values: pa.Array) -> pa.Array:
    """Put quotes around the values that a CSV reader would otherwise misread."""
    needs = pc.match_substring_regex(values, '[,"\r\n]')
    doubled = pc.replace_substring(values, '"', '""')
    return pc.if_else(needs, pc.binary_join_element_wise(_text('"'), doubled, _text('"'), _text("")), values)


def _text(value: str) -> pa.Scalar:
    return pa.scalar(value, pa.large_string())
