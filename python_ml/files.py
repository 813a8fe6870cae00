"""Files that are there as a whole or not at all: whoever reads one sees the old content or the new."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from python_ml.errors import UserError

if TYPE_CHECKING:
    import pandas as pd


def encodable(path: Path) -> Path:
    """The path, when its name is text that every program can take.

    Raises
    ------
    UnicodeEncodeError
        When the name is not text in this locale. DuckDB, which is in C++, fails on such a name without saying why.
    """
    str(path).encode("utf-8")
    return path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary file next to ``path``, which takes its place when the block ends, and is deleted when it fails.

    Parameters
    ----------
    path : Path
        Its folder is made when it is missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    # A name of this process's own: two that write the same file do not share a temporary file.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):  # the first error is the one to report
            temporary.unlink(missing_ok=True)
        # A full disk does not say which file it was, and the name of a temporary file helps nobody.
        if isinstance(error, OSError) and error.filename in (None, str(temporary)):
            error.filename = str(path)
        raise


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, in which lines end alike everywhere.

    JSON and CSV can smuggle in half of a surrogate pair, which UTF-8 cannot carry: it becomes a question mark.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode("utf-8", errors="replace"))


def write_json(path: Path, value: Any, default: Callable[[Any], Any] | None = None) -> None:
    """Write a JSON document; ``default`` makes plain data of what JSON does not know.

    Raises
    ------
    ValueError
        When a number is not finite: JSON has no such numbers.
    """
    write_text(path, json.dumps(value, indent=2, allow_nan=False, default=default) + "\n")


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table for spreadsheets: a text that they would take for a formula gets an apostrophe before it.

    Parameters
    ----------
    path : Path
    table : pandas.DataFrame
    """
    shown = table.copy()
    for name in shown.select_dtypes(["object", "string"]):
        shown[name] = shown[name].map(_without_formula, na_action="ignore")
    shown.columns = [_without_formula(name) for name in shown.columns]
    with replacing(path) as temporary:
        shown.to_csv(
            temporary,
            index=False,
            encoding="utf-8",
            errors="replace",
            lineterminator="\n",
            quoting=csv.QUOTE_NONNUMERIC,
        )


def _without_formula(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Hold a lock between processes, waiting for it; the operating system frees it when its holder dies.

    Yields
    ------
    bool
        False where files cannot be locked (Windows, some network disks): nobody is kept out then.
    """
    try:
        import fcntl
    except ImportError:
        yield False
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        yield _lock(fcntl, handle)
    finally:
        os.close(handle)


def _lock(fcntl: ModuleType, handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError:
        return False
    return True


def read_json(path: Path, what: str, hint: str) -> Any:
    """Read a JSON document.

    Parameters
    ----------
    path : Path
    what : str
        What the file is, for the message: ``The <what> cannot be read``.
    hint : str
        How to get a sound one.

    Raises
    ------
    FileNotFoundError
    UserError
        When the file cannot be read, is not JSON, or is nested too deeply.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except RecursionError as error:
        raise UserError(f"The {what} cannot be read: it is nested too deeply.", where=str(path), hint=hint) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"The {what} cannot be read: {reason}.", where=str(path), hint=hint) from error


def source_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every Python file below a folder, by its path there."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.py"))
    }
