"""The errors that reach a person, each with the exit code that the command line ends with.

:func:`explained` is the one place that turns errors of the surroundings (the operating system, DuckDB, the model store,
files that are nested without end) into a message. What it does not know is a bug of ours and keeps its stack trace.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from urllib.parse import urlsplit, urlunsplit


class RetentionError(Exception):
    """Base of every error that is explained rather than traced.

    Parameters
    ----------
    what : str
        What is wrong, in one sentence.
    where : str, optional
        File, line, column or table that it concerns.
    hint : str, optional
        What the user can do about it.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where:   {self.where}")
        if self.hint:
            lines.append(f"  hint:    {self.hint}")
        return "\n".join(lines)


class UserError(RetentionError):
    """Bad input or usage: exit code 2."""

    exit_code = 2


class InUseError(UserError):
    """Another process holds the warehouse; it will be free again."""


class GateError(RetentionError):
    """A gate (replay, leakage, quality, drift, champion comparison) said no: exit code 3."""

    exit_code = 3


# What `str` of an error of this package looks like, behind its name.
_AT_THE_END = re.compile(
    r"\bpython_ml\.errors\.(?P<kind>\w+): (?P<what>(?:(?!\n  (?:where|hint): ).)+)"
    r"(?:\n +where: +(?P<where>[^\n]+))?(?:\n +hint: +(?P<hint>[^\n]+))?\s*$",
    re.DOTALL,
)


def raised_in(trace: str) -> RetentionError | None:
    """The error of this package at the end of another process's stack trace; None where it ends in another one.

    Parameters
    ----------
    trace : str
        As Python prints it, with line breaks.
    """
    found = _AT_THE_END.search(trace)
    kinds = {kind.__name__: kind for kind in (RetentionError, UserError, InUseError, GateError)}
    if found is None or found["kind"] not in kinds:
        return None
    return kinds[found["kind"]](found["what"].strip(), where=found["where"], hint=found["hint"])


def explained(error: BaseException, where: str | None = None, *, warehouse: str | None = None) -> RetentionError | None:
    """Say what an error of the surroundings means; None for an error that only a bug of ours can explain.

    Parameters
    ----------
    error : BaseException
    where : str, optional
        What was being worked on, for errors that do not say it themselves.
    warehouse : str, optional
        The file that DuckDB was working on, if it was the project's own.
    """
    if isinstance(error, RetentionError):
        return error
    packages = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    if packages & {"duckdb", "_duckdb"}:
        return _of_duckdb(error, where, warehouse)
    if packages & {"mlflow", "sqlalchemy", "sqlite3", "alembic", "requests", "urllib3"}:
        return _of_model_store(error, where)
    if isinstance(error, OSError):
        return _of_operating_system(error, where)
    if isinstance(error, UnicodeEncodeError):
        return _of_file_name(error)
    if isinstance(error, ModuleNotFoundError):
        return missing_library((error.name or "").partition(".")[0], where)
    if isinstance(error, MemoryError):
        return _no_memory(where)
    if isinstance(error, RecursionError) and not _is_ours(error):
        return UserError(
            "A document is nested too deeply to be read.",
            where=where,
            hint="restore the file, or run the command that writes it again",
        )
    if isinstance(error, RuntimeError) and str(error).startswith("Symlink loop from "):
        return _of_operating_system(error.__context__ or OSError(errno.ELOOP, "a loop of links"), where)
    return None


# Libraries that not every installation has, and the extra that brings them; scoring needs none of them.
EXTRAS = {
    "calamine": "duckdb",
    "charset_normalizer": "duckdb",
    "dbt": "duckdb",
    "duckdb": "duckdb",
    "great_expectations": "train",
    "matplotlib": "train",
    "networkx": "duckdb",
    "optuna": "train",
    "pyspark": "spark",
    "python_calamine": "duckdb",
    "sqlalchemy": "duckdb",
}


def missing_library(name: str, where: str | None = None) -> UserError | None:
    """The error for a library that an extra brings; None for one that every installation has."""
    if name not in EXTRAS:
        return None
    other = ", or [databricks] or [spark] for those engines" if name == "dbt" else ""
    return UserError(
        f"The library {name} is not installed.",
        where=where,
        hint=f"pip install 'customer-retention[{EXTRAS[name]}]'{other}",
    )


_SYSTEM = {
    errno.ENOSPC: ("There is no space left on the disk.", "free some space, or choose another location"),
    errno.EDQUOT: ("There is no space left: the quota is used up.", "free some space, or choose another location"),
    errno.EACCES: ("This is not allowed: permission denied.", "change the permissions or the owner of the file"),
    errno.EPERM: ("This is not allowed: permission denied.", "change the permissions or the owner of the file"),
    errno.EROFS: ("This is not allowed: the disk is read-only.", "choose another location, or make the disk writable"),
    errno.ENOENT: ("A file or folder does not exist.", "check the path"),
    errno.ENOTDIR: ("There is a file where a folder is needed.", "rename or remove the file, or choose another path"),
    errno.EEXIST: ("There is a file where a folder is needed.", "rename or remove the file, or choose another path"),
    errno.EISDIR: ("There is a folder where a file is needed.", "rename or remove the folder"),
    errno.ENAMETOOLONG: ("A path is too long for this disk.", "choose a shorter name"),
    errno.ELOOP: ("A link leads back to itself.", "remove the link, or let it lead elsewhere"),
    errno.EMFILE: ("Too many files are open.", "raise the limit (`ulimit -n`)"),
    errno.EIO: ("The disk reports a failure.", "check the disk, and restore the file from a backup"),
}


def _of_operating_system(error: BaseException, where: str | None) -> UserError:
    code = getattr(error, "errno", None)
    what, hint = _SYSTEM.get(
        code, (f"The operating system refused: {_first_line(error)}.", "check the file, the disk and their permissions")
    )
    names = [os.fsdecode(n) for n in (getattr(error, "filename", None), getattr(error, "filename2", None)) if n]
    return UserError(what, where=" and ".join(dict.fromkeys(names)) or where, hint=hint)


# Conflicting lock is held in /usr/bin/python3.11 (PID 4711) by user anna.
_HOLDER = re.compile(r"[Cc]onflicting lock is held in (?P<program>.*?) ?\(PID (?P<pid>\d+)\)")


def database_refusal(text: str, where: str | None) -> UserError | None:
    """What a message of DuckDB says of the surroundings, wherever it was met; None when it speaks of the query.

    Parameters
    ----------
    text : str
        Of an exception, or as dbt repeats it.
    where : str, optional
        The database, for messages that do not name a file themselves.
    """
    if re.search(r"could not set lock|lock is held|being used by another process", text, re.IGNORECASE):
        match = _HOLDER.search(text)
        holder = f"process {match['pid']} ({match['program'] or 'unknown program'})" if match else "another process"
        return InUseError(
            f"The warehouse is in use by {holder}.",
            where=where,
            hint="wait for it to end or close it (a dbt run, a notebook, a database browser), then try again",
        )
    if re.search("no space left on device", text, re.IGNORECASE):
        what, hint = _SYSTEM[errno.ENOSPC]
        named = re.search(r'write file \\?"(.+?)\\?"', text)
        return UserError(what, where=named[1] if named else where, hint=hint)
    if "Out of Memory Error" in text:
        return _no_memory(where)
    missing = re.search(r'No files found that match the pattern "(.*?)"', text)
    if missing:
        return UserError(
            "A raw file is missing.",
            where=missing[1],
            hint="restore it, or set RETENTION_RAW_DIR to the folder of the raw files and run `retention build`",
        )
    return None


_DAMAGED = ("SerializationException", "FatalException", "InternalException", "InvalidInputException")
_DAMAGED_TEXT = re.compile("corrupt|checksum|not a valid DuckDB|could not read enough bytes", re.IGNORECASE)


def _of_duckdb(error: BaseException, where: str | None, warehouse: str | None) -> UserError | None:
    kind, where = type(error).__name__, warehouse or where
    text = re.sub(r"^[A-Z][\w ]*Error: ", "", _first_line(error))  # DuckDB repeats the kind
    refusal = database_refusal(str(error), where)
    if refusal is not None:
        return refusal
    if warehouse is not None and (kind in _DAMAGED or _DAMAGED_TEXT.search(str(error))):
        return UserError(
            f"The warehouse is damaged: {text}", where=where, hint="delete the file and run `retention build`"
        )
    if kind in ("IOException", "PermissionException", "HTTPException"):
        return UserError(
            f"DuckDB cannot read or write a file: {text}",
            where=where,
            hint="check that the file is whole and its folder writable; `retention build` makes a warehouse anew",
        )
    if warehouse is None:
        return None
    if kind in ("CatalogException", "BinderException") and re.search("does not exist|not found", str(error)):
        return UserError(
            f"The warehouse lacks what this command reads: {text}", where=where, hint="run `retention build`"
        )
    return None


def _of_model_store(error: BaseException, where: str | None) -> UserError:
    mlflow = sys.modules.get("mlflow")
    place = where if mlflow is None else without_credentials(mlflow.get_tracking_uri())
    return model_store_error(f"The model store (MLflow) fails: {_first_line(error)}", place)


def model_store_error(what: str, where: str | None) -> UserError:
    """The error for a model store that does not answer, or whose database is damaged."""
    return UserError(
        what,
        where=where,
        hint="check MLFLOW_TRACKING_URI and that its server answers; restore a damaged mlflow.db from a backup, or "
        "delete it together with mlartifacts and run `retention train`",
    )


def without_credentials(uri: str) -> str:
    """A network address without user and password."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else uri


def _of_file_name(error: UnicodeEncodeError) -> UserError | None:
    """A name that this locale cannot spell: bytes that Python carries along as half surrogates, or other letters."""
    encoding = sys.getfilesystemencoding().lower()
    if not re.search("[\udc80-\udcff]", error.object) and (encoding == "utf-8" or error.encoding.lower() != encoding):
        return None
    shown = error.object.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return UserError(
        f"A file name has characters that this locale's encoding cannot represent ({encoding}).",
        where=shown.splitlines()[0][:300] if shown else None,
        hint="rename the file" if encoding == "utf-8" else "set PYTHONUTF8=1, or a locale such as LC_ALL=C.UTF-8",
    )


def _no_memory(where: str | None) -> UserError:
    return UserError(
        "There is not enough memory.",
        where=where,
        hint="close other programs, or work on fewer rows or columns",
    )


def _first_line(error: BaseException) -> str:
    """What an error says, on one line and of bearable length."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:300]


def _is_ours(error: BaseException) -> bool:
    """Whether an error was raised in this package itself, and not in a library that it called."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__", "")).startswith("python_ml")
