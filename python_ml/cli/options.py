"""Options that every command shares, and the console that commands speak through."""

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


class Console:
    """Progress on stderr, the result on stdout: text for readers, or one JSON document with ``--json``."""

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
        """Show where long work stands, on one line of a terminal; None wipes it."""
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
    """Read a time that a user typed as naive UTC.

    Raises
    ------
    UserError
        When it is none.
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


def folder_option(help_: str) -> Callable[[Callable], Callable]:
    """Add ``--project-dir`` and pass it as ``folder``; nothing is read there yet."""
    return click.option(
        "--project-dir", "folder", type=click.Path(path_type=Path), default=Path(), show_default="here", help=help_
    )


def file_options(function: Callable) -> Callable:
    """Add the options of commands that read raw files: entity, time, outcome, positive, day_first, encoding, sheet."""
    options = (
        click.option(
            "--entity", metavar="COL[,COL]", help="Column that identifies the customer.  [default: by evidence]"
        ),
        click.option("--time", metavar="COL", help="Column with the time of the event.  [default: by evidence]"),
        # The name before --target came to mean the target of dbt everywhere.
        click.option("--outcome", "--target", "outcome", metavar="COL", help="Column with the outcome: who churned."),
        click.option(
            "--positive", metavar="VALUE", help="Value of the outcome that means churn.  [default: by its name]"
        ),
        click.option(
            "--day-first/--month-first",
            default=None,
            help="How to read 03/04/2024 where the values do not decide.  [default: month first]",
        ),
        click.option(
            "--encoding", metavar="NAME", help="Encoding of text files, such as cp1250.  [default: by evidence]"
        ),
        click.option("--sheet", metavar="NAME", help="Sheet of Excel files.  [default: the only one with rows]"),
    )
    for option in reversed(options):
        function = option(function)
    return function


def project_options(*engines: str) -> Callable[[Callable], Callable]:
    """Add ``--project-dir``, ``--target`` and ``--json``; pass ``project`` and ``console``.

    Parameters
    ----------
    engines : str
        Those that the command works on; a target on another one is refused.
    """

    def decorate(function: Callable) -> Callable:
        @folder_option("Folder of the dbt project.")
        @click.option("--target", default=None, help=f"Target of profiles.yml, on {' or '.join(engines)}.")
        @json_option
        @functools.wraps(function)
        def wrapper(*args: Any, folder: Path, target: str | None, **kwargs: Any) -> Any:
            from python_ml.project import Project
            from python_ml.warehouse import require_engine

            project = Project.open(folder, target=target)
            require_engine(project, engines)
            return function(*args, project=project, **kwargs)

        return wrapper

    return decorate
