"""dbt: running it, in a process of its own or, where tables belong to this process, in this one."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.dbt_commands import TARGET_VARIABLE, command_line_of, environment_of, forget_compiled, show_event
from python_ml.dbt_in_session import DbtInSession
from python_ml.errors import RetentionError, UserError, database_refusal, missing_library, raised_in
from python_ml.feature_registry import ROW_FINGERPRINT, Feature, feature_registry
from python_ml.files import read_json
from python_ml.masking import masked
from python_ml.project import TEXT_STORE_VARIABLE, WAREHOUSE_VARIABLE
from python_ml.warehouse import DUCKDB, SPARK, connect, engine, warehouse_place

if TYPE_CHECKING:
    from python_ml.cli.options import Console
    from python_ml.project import Project

__all__ = [
    "ACTIONS",
    "FEATURES",
    "REASONS",
    "ROW_FINGERPRINT",
    "SCORES",
    "SCORING_SET",
    "TRAINING_SET",
    "DatabaseCopy",
    "DbtProcess",
    "Feature",
    "dbt_process",
    "feature_registry",
    "listed_by_dbt",
    "run_dbt",
    "run_dbt_on_copies",
]

FAILED = ("error", "fail", "runtime error")
RESULTS = "run_results.json"
PYTHON = [sys.executable]
DONE = "retention_done"  # what the process of dbt says after each command, with the code
# Gold tables, which have these names in every project.
TRAINING_SET, SCORING_SET = "gold.gld_training_set", "gold.gld_scoring_set"
FEATURES, SCORES = "gold.gld_customer_features", "gold.gld_churn_scores"
REASONS, ACTIONS = "gold.gld_churn_reasons", "gold.gld_retention_actions"


@dataclass(frozen=True)
class DatabaseCopy:
    """A database to run on in place of the project's own, and the variables of that run.

    Attributes
    ----------
    database : Path
        A DuckDB file.
    variables : dict
        What overrides ``vars`` of dbt_project.yml.
    """

    database: Path
    variables: dict[str, Any]


class DbtProcess:
    """A process that imports dbt and parses a project once, then runs one command after the other.

    Between commands it holds no database: DuckDB locks a file per process, and the caller reads it in between. The
    process starts at once, and imports and parses while the caller goes on.

    Parameters
    ----------
    project : Project
    target_path : Path
        Where the artefacts of the parser go.
    """

    def __init__(self, project: Project, target_path: Path) -> None:
        if find_spec("dbt") is None and (missing := missing_library("dbt", str(project.root))):
            raise missing
        self.project, self.target_path = project, target_path
        self._parse_asked, self._is_parsed = False, False
        self._process = subprocess.Popen(
            [*PYTHON, "-m", "python_ml.dbt"],
            cwd=project.root,
            env={**environment_of(project, target_path), "PYTHONUTF8": "1"},  # what it prints is read as UTF-8
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )

    def parse(self) -> None:
        """Begin to parse the project; the next command waits for it."""
        if not self._parse_asked:
            self._ask({"parse": True, "command_line": command_line_of(self.project, ["parse"], self.target_path)})
            self._parse_asked = True

    def run(
        self, arguments: list[str], console: Console, environment: dict[str, str] | None = None
    ) -> list[str] | None:
        """Run a command; its error messages when it failed, else None.

        Parameters
        ----------
        arguments : list of str
            As for :func:`run_dbt`.
        console : Console
        environment : dict, optional
            Variables of this command alone.
        """
        if arguments[0] != "deps":  # which brings what the parser reads
            self.parse()
        if self._parse_asked and not self._is_parsed:
            errors = self._follow(console)
            if errors is not None:
                self._parse_asked = False
                return errors
            self._is_parsed = True
        command_line = command_line_of(self.project, arguments, self.target_path)
        self._ask({"parse": False, "command_line": command_line, "environment": environment or {}})
        return self._follow(console)

    def close(self) -> None:
        """End the process: after the command that it is at, or in the middle of a parse that nobody waits for."""
        if self._parse_asked and not self._is_parsed:
            self._process.terminate()
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        self._process.wait()

    def _ask(self, request: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):  # its last lines, which are read next, say why it has ended
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()

    def _follow(self, console: Console) -> list[str] | None:
        """Show what dbt says until it is done; its error messages when it failed, else None."""
        errors: list[str] = []
        plain: list[str] = []
        code = None
        for line in self._process.stdout:
            try:
                event = json.loads(line)
            except json.JSONDecodeError:
                event = None
            if not isinstance(event, dict):
                # Python models print plain lines.
                if line.strip():
                    console.note(f"  {line.rstrip()}")
                    plain = [*plain[-2:], line.strip()]
                continue
            if DONE in event:
                code = event[DONE]
                break
            show_event(event, console, errors)
        console.progress(None)
        if code is None:
            code = self._process.wait()
            errors = errors or [*plain, f"dbt ended with code {code}."]
        return None if code == 0 else errors or [*plain, f"dbt ended with code {code}."]


_SHARED: ContextVar[DbtProcess | DbtInSession | None] = ContextVar("shared dbt process", default=None)


@contextmanager
def dbt_process(project: Project, parse: bool = False) -> Iterator[DbtProcess | DbtInSession]:
    """Let every dbt command inside share one process, one import of dbt and one parse of the project.

    Nested calls share the outermost process.

    Parameters
    ----------
    project : Project
        Its files must not change inside, other than by ``dbt deps``.
    parse : bool
        Whether to parse at once, while the caller does something else.
    """
    shared = _SHARED.get()
    if shared is not None and shared.project == project:
        yield shared
        return
    target_path = project.root / "target"
    for folder in (target_path, project.root / "logs"):
        folder.mkdir(parents=True, exist_ok=True)
    kind = DbtInSession if engine(project) == SPARK else DbtProcess
    with contextlib.closing(kind(project, target_path)) as process:
        token = _SHARED.set(process)
        try:
            if parse:
                process.parse()
            yield process
        finally:
            _SHARED.reset(token)


def run_dbt(
    project: Project, arguments: list[str], console: Console, environment: dict[str, str] | None = None
) -> dict[str, int]:
    """Run a dbt command in the project's folder.

    dbt gets a process of its own, which commands share inside :func:`dbt_process`: DuckDB locks its file per process,
    and what a build leaves in memory ends with it. On Spark it runs in this process, where the session is.

    Parameters
    ----------
    project : Project
    arguments : list of str
        The command and its options, for instance ``["build", "--select", "gld_churn_scores+"]``.
    console : Console
        Shows progress, warnings and errors.
    environment : dict, optional
        Environment variables of this command alone.

    Returns
    -------
    dict
        Number of nodes by status, for instance ``{"success": 30, "pass": 120}``.

    Raises
    ------
    UserError
        When the project does not parse or compile, or DuckDB finds no space, no memory or no raw file.
    RetentionError
        When a model or test fails.
    """
    _check_warehouse(project)
    with dbt_process(project) as process:
        target_path = process.target_path
        (target_path / RESULTS).unlink(missing_ok=True)
        errors = process.run(arguments, console, environment)
    nodes = _results(target_path)
    _refuse_failures(project, arguments[0], target_path, nodes, errors)
    return dict(Counter(node["status"] for node in nodes))


def listed_by_dbt(project: Project, arguments: list[str], console: Console) -> set[str]:
    """Names of the models, seeds and snapshots of a selection, on a target on Spark.

    Parameters
    ----------
    project : Project
    arguments : list of str
        Options of ``dbt ls``, such as ``["--select", "silver+"]``.
    console : Console

    Raises
    ------
    UserError
        When the selection is invalid, or the project does not parse.
    """
    with dbt_process(project) as process:
        return process.listed(arguments, console)


def run_dbt_on_copies(
    project: Project, arguments: list[str], copies: Sequence[DatabaseCopy], console: Console, scratch: Path
) -> None:
    """Run one dbt command on several databases, each with variables of its own.

    The project is parsed once: most of the time of a small run is dbt's parser. The project's own warehouse and
    results stay as they are.

    Parameters
    ----------
    project : Project
    arguments : list of str
        The command and its options, as for :func:`run_dbt`.
    copies : sequence of DatabaseCopy
    console : Console
    scratch : Path
        A folder for dbt's artefacts.

    Raises
    ------
    UserError
        When the project does not parse or compile.
    RetentionError
        When a model fails.
    """
    with dbt_process(project) as process:
        for number, copy in enumerate(copies):
            target_path = scratch / f"target_{number}"
            environment = {
                WAREHOUSE_VARIABLE: str(copy.database),
                TARGET_VARIABLE: str(target_path),
                TEXT_STORE_VARIABLE: str(project.warehouse_path),
            }
            errors = process.run([*arguments, "--vars", json.dumps(copy.variables)], console, environment)
            _refuse_failures(project, arguments[0], process.target_path, _results(target_path), errors)


def _serve() -> None:
    """Run what :class:`DbtProcess` asks for, line by line, until its end closes."""
    from dbt.cli.exceptions import DbtUsageException
    from dbt.cli.main import dbtRunner

    environment, manifest = dict(os.environ), None
    for line in sys.stdin:
        request = json.loads(line)
        os.environ.update(environment | request.get("environment", {}))
        for name in os.environ.keys() - environment.keys() - request.get("environment", {}).keys():
            del os.environ[name]
        if manifest is not None:
            forget_compiled(manifest)
        done = dbtRunner(manifest=None if request["parse"] else manifest).invoke(request["command_line"])
        if isinstance(done.exception, DbtUsageException):  # the only one that dbt does not print
            sys.stdout.write(f"{done.exception}\n")
        if request["parse"] and done.success:
            manifest = done.result
        _close_database()
        code = 0 if done.success else 1 if done.exception is None else 2
        sys.stdout.write(json.dumps({DONE: code}) + "\n")
        sys.stdout.flush()


def _close_database() -> None:
    """Close DuckDB's file, which dbt keeps open for its next command."""
    module = sys.modules.get("dbt.adapters.duckdb.connections")
    if module is not None and module.DuckDBConnectionManager._ENV is not None:
        module.DuckDBConnectionManager._ENV.close()
        module.DuckDBConnectionManager.close_all_connections()


def _one_line(message: str) -> str:
    """What went wrong; the macros that called each other on the way are in dbt's log."""
    lines = message.splitlines()
    said = [line for line in lines if not line.lstrip().startswith(("> in macro ", "> called by "))]
    return " ".join(" ".join(said).split())


def _refuse_failures(
    project: Project, name: str, target_path: Path, nodes: list[dict[str, Any]], errors: list[str] | None
) -> None:
    """Raise what went wrong in a command that has ended."""
    failed = [
        f"{node['unique_id'].split('.')[2]}: {masked(_one_line(node['message'] or ''))}"
        for node in nodes
        if node["status"] in FAILED
    ]
    refusal = database_refusal("\n".join([*failed, *(errors or ())]), warehouse_place(project))
    if refusal is not None:
        raise refusal
    messages = (node["message"] or "" for node in nodes if node["status"] in FAILED)
    if ours := next(filter(None, map(raised_in, messages)), None):
        raise ours
    if failed:
        raise RetentionError(
            f"dbt {name} failed in {len(failed)} place(s).\n    " + "\n    ".join(failed[:5]),
            where=str(project.root),
            hint=f"see {target_path.parent / 'logs' / 'dbt.log'}; run `dbt {name}` for the details",
        )
    if errors is not None:
        raise UserError(
            f"dbt could not {name} the project.\n    " + "\n    ".join(errors[-3:]),
            where=str(project.root),
            hint="check the file that the message names, dbt_project.yml and profiles.yml",
        )


def _check_warehouse(project: Project) -> None:
    """See that dbt can open the warehouse for writing: it would begin, and end in a stack trace of its own."""
    if project.warehouse_path.exists() and engine(project) == DUCKDB:
        with connect(project, read_only=False):
            pass


def _results(target_path: Path) -> list[dict[str, Any]]:
    """The nodes of the command that ran last with this target path; none if it ran none."""
    path = target_path / RESULTS
    return read_json(path, "results of dbt", "run the command again")["results"] if path.is_file() else []


if __name__ == "__main__":
    _serve()


if __name__ == "__main__":
    _serve()
