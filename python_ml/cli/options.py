"""Options that commands share, and the console: progress, warnings and results."""

from __future__ import annotations

import functools
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

ENGINES = ("duckdb", "spark", "databricks")


class Console:
    """Progress on stderr, the result on stdout: text, or one JSON document with ``--json``."""

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce a step of work, and print how long it took."""
        click.echo(f"{title} ...", err=True)
        start = time.monotonic()
        yield
        click.echo(f"{title}: done in {time.monotonic() - start:.1f} s", err=True)

    def progress(self, message: str | None) -> None:
        """Show the state of long work on one line of a terminal; None clears it."""
        if sys.stderr.isatty():
            sys.stderr.write("\r\033[K" + (message or "")[:100])
            sys.stderr.flush()

    def note(self, message: str) -> None:
        """Print a note on progress."""
        click.echo(message, err=True)

    def warn(self, message: str) -> None:
        """Print a warning."""
        click.echo(click.style("warning: ", fg="yellow") + message, err=True)

    def result(self, text: str, data: dict[str, Any]) -> None:
        """End a command: ``text`` by default, ``data`` with ``--json``."""
        click.echo(json.dumps(data, indent=2, default=str) if self.as_json else text)


def parse_time(text: str, option: str) -> datetime:
    """Parse the time of an option as naive UTC.

    Raises
    ------
    UserError
        When it is not a time, or lies outside of the years 1 to 9999.
    """
    from python_ml.errors import UserError

    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UserError(
            f"`{text}` is not a time.", where=option, hint="write it as 2025-01-31 or 2025-01-31T18:30:00 (UTC)"
        ) from error
    try:
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except OverflowError as error:
        raise UserError(
            f"`{text}` lies outside of the years 1 to 9999 in UTC.", where=option, hint="choose another time"
        ) from error


def json_option(function: Callable) -> Callable:
    """Add ``--json`` and pass a :class:`Console` as ``console``."""

    @click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
    @functools.wraps(function)
    def wrapper(*args: Any, as_json: bool, **kwargs: Any) -> Any:
        return function(*args, console=Console(as_json), **kwargs)

    return wrapper


def file_options(function: Callable) -> Callable:
    """Add the options of commands that read raw files: entity, time, outcome, positive, day_first, encoding, sheet."""
    options = (
        click.option("--entity", metavar="COL[,COL]", help="Column that identifies the customer.  [default: inferred]"),
        click.option("--time", metavar="COL", help="Column with the time of the event.  [default: inferred]"),
        click.option("--outcome", metavar="COL", help="Label column: which customers churned."),
        click.option("--positive", metavar="VALUE", help="Value of the outcome that means churn.  [default: inferred]"),
        click.option(
            "--day-first/--month-first",
            default=None,
            help="How to read 03/04/2024 where the values do not decide.  [default: month first]",
        ),
        click.option("--encoding", metavar="NAME", help="Encoding of text files, such as cp1250.  [default: inferred]"),
        click.option("--sheet", metavar="NAME", help="Sheet of Excel files.  [default: the only one with rows]"),
    )
    for option in reversed(options):
        function = option(function)
    return function


def project_options(*engines: str, opened: bool = True, reads: bool = True) -> Callable[[Callable], Callable]:
    """Add ``--project-dir``, ``--target`` and ``--json``; pass ``project`` (or ``folder``) and ``console``.

    Parameters
    ----------
    engines : str
        Those that the command works on; a target on another one is refused.
    opened : bool
        Whether the command reads the project's configuration. Otherwise it gets only the ``folder``, in which files may
        be missing, and a target is checked without being used.
    reads : bool
        Whether the command reads the warehouse, and not dbt alone.
    """

    def decorate(function: Callable) -> Callable:
        @click.option(
            "--project-dir",
            "folder",
            type=click.Path(path_type=Path),
            help="Folder of the dbt project.  [default: here, or the nearest parent with a dbt_project.yml]",
        )
        @click.option(
            "--target",
            metavar="NAME",
            help=f"Target in profiles.yml ({', '.join(engines)}).  [default: that of the profile]",
        )
        @json_option
        @functools.wraps(function)
        def wrapper(*args: Any, folder: Path | None, target: str | None, **kwargs: Any) -> Any:
            from python_ml.project import Project, nearest_root
            from python_ml.warehouse import require_engine

            folder = folder or nearest_root()
            if not opened and target is None:
                return function(*args, folder=folder, **kwargs)
            project = Project.open(folder, target=target)
            require_engine(project, engines, reads=opened and reads)
            return function(*args, **({"project": project} if opened else {"folder": folder}), **kwargs)

        return wrapper

    return decorate
