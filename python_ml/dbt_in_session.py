"""dbt in this process, which holds the session that the tables belong to."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from python_ml.dbt_commands import command_line_of, environment_of, forget_compiled, show_event
from python_ml.environment import environment_variables
from python_ml.errors import UserError
from python_ml.warehouse import open_backend

if TYPE_CHECKING:
    from pathlib import Path

    from python_ml.cli.options import Console
    from python_ml.project import Project


class DbtInSession:
    """Runs dbt's commands in this process; used like :class:`python_ml.dbt.DbtProcess`.

    A Spark session belongs to one process, and its embedded metastore allows no second one.

    Parameters
    ----------
    project : Project
    target_path : Path
        Where the artefacts of the parser go.
    """

    def __init__(self, project: Project, target_path: Path) -> None:
        self.project, self.target_path = project, target_path
        self._manifest: Any = None
        self._result: Any = None

    def parse(self) -> None:
        """Do nothing: the next command parses, in this process."""

    def run(
        self, arguments: list[str], console: Console, environment: dict[str, str] | None = None
    ) -> list[str] | None:
        """Run a command; its error messages when it failed, else None.

        Parameters
        ----------
        arguments : list of str
            As for :func:`python_ml.dbt.run_dbt`.
        console : Console
        environment : dict, optional
            Variables of this command alone.
        """
        if arguments[0] == "deps":
            return self._invoke(arguments, console, environment or {})[0]
        open_backend(self.project)  # says what is missing, and starts the session that dbt finds
        if self._manifest is None:
            errors, parsed = self._invoke(["parse"], console, {})
            if errors is not None:
                return errors
            self._manifest = parsed
        forget_compiled(self._manifest)
        errors, self._result = self._invoke(arguments, console, environment or {}, self._manifest)
        return errors

    def listed(self, arguments: list[str], console: Console) -> set[str]:
        """Names of the models, seeds and snapshots that a selection has; ``arguments`` are those of ``dbt ls``."""
        kinds = [word for kind in ("model", "seed", "snapshot") for word in ("--resource-type", kind)]
        errors = self.run(["ls", "--output", "name", *kinds, *arguments], console)
        if errors is not None:
            raise UserError(
                "dbt cannot list the selection.\n    " + "\n    ".join(errors[-3:]),
                where=" ".join(arguments),
                hint="check --select and --exclude",
            )
        return set(self._result or ())

    def close(self) -> None:
        """Do nothing: the session lives as long as the process."""

    def _invoke(
        self, arguments: list[str], console: Console, environment: Mapping[str, str], manifest: Any = None
    ) -> tuple[list[str] | None, Any]:
        """Error messages of a command, None where it succeeded, and its result."""
        from dbt.cli.main import dbtRunner
        from dbt_common.events.functions import msg_to_json

        errors: list[str] = []

        def follow(message: Any) -> None:
            if message.info.level != "debug":
                show_event(json.loads(msg_to_json(message)), console, errors)

        command_line = ["--log-level", "none", *command_line_of(self.project, arguments, self.target_path)]
        variables = environment_of(self.project, self.target_path) | environment
        with environment_variables(variables), contextlib.chdir(self.project.root), _own_logging():
            done = dbtRunner(manifest=manifest, callbacks=[follow]).invoke(command_line)
        console.progress(None)
        if done.success:
            return None, done.result
        said = [str(done.exception)] if done.exception is not None and not errors else []
        return errors or said or [f"dbt {arguments[0]} failed."], done.result


@contextlib.contextmanager
def _own_logging() -> Iterator[None]:
    """Leave the root logger as it is: dbt would show what other libraries log."""
    root = logging.getLogger()
    handlers, level = [*root.handlers], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
