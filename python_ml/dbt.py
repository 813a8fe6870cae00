"""dbt: running it in a process of its own, and the feature registry, which is the column metadata of its manifest."""

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
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.errors import RetentionError, UserError, database_refusal, missing_library, raised_in
from python_ml.files import read_json
from python_ml.masking import masked
from python_ml.project import PORTABLE_VARIABLE, PROJECT_DIR_VARIABLE, TEXT_STORE_VARIABLE, WAREHOUSE_VARIABLE
from python_ml.text_fits import component_meanings, component_of, text_fits
from python_ml.warehouse import DUCKDB, connect, engine, profiles_path

if TYPE_CHECKING:
    from python_ml.cli.options import Console
    from python_ml.project import Project

FAILED = ("error", "fail", "runtime error")
RESULTS = "run_results.json"
DATABRICKS = "databricks"  # type of a target
# Not as the option `--target-path`, which `dbt deps` does not know.
TARGET_VARIABLE = "DBT_TARGET_PATH"
PYTHON = [sys.executable]
DONE = "retention_done"  # what the process of dbt says after each command, with the code
# Gold tables, which have these names in every project.
TRAINING_SET, SCORING_SET = "gold.gld_training_set", "gold.gld_scoring_set"
FEATURES, SCORES = "gold.gld_customer_features", "gold.gld_churn_scores"
REASONS, ACTIONS = "gold.gld_churn_reasons", "gold.gld_retention_actions"
ROLES = ("key", "time", "feature", "label")
FINGERPRINT_ROLE, ROW_FINGERPRINT = "fingerprint", "row_fingerprint"


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
            env={**_environment(project, target_path), "PYTHONUTF8": "1"},  # what it prints is read as UTF-8
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )

    def parse(self) -> None:
        """Begin to parse the project; the next command waits for it."""
        if not self._parse_asked:
            self._ask({"parse": True, "command_line": _command_line(self.project, ["parse"], self.target_path)})
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
        command_line = _command_line(self.project, arguments, self.target_path)
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
            _show(event, console, errors)
        console.progress(None)
        if code is None:
            code = self._process.wait()
            errors = errors or [*plain, f"dbt ended with code {code}."]
        return None if code == 0 else errors or [*plain, f"dbt ended with code {code}."]


_SHARED: ContextVar[DbtProcess | None] = ContextVar("shared dbt process", default=None)


@contextmanager
def dbt_process(project: Project, parse: bool = False) -> Iterator[DbtProcess]:
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
    with contextlib.closing(DbtProcess(project, target_path)) as process:
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
    and what a build leaves in memory ends with it.

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
            _forget_compiled(manifest)
        done = dbtRunner(manifest=None if request["parse"] else manifest).invoke(request["command_line"])
        if isinstance(done.exception, DbtUsageException):  # the only one that dbt does not print
            sys.stdout.write(f"{done.exception}\n")
        if request["parse"] and done.success:
            manifest = done.result
        _close_database()
        code = 0 if done.success else 1 if done.exception is None else 2
        sys.stdout.write(json.dumps({DONE: code}) + "\n")
        sys.stdout.flush()


def _forget_compiled(manifest: Any) -> None:
    """Let dbt compile every node anew: it keeps what an ephemeral model was with the variables of the run before."""
    for node in manifest.nodes.values():
        if getattr(node, "extra_ctes_injected", False):
            node.compiled, node.compiled_code, node.extra_ctes_injected, node.extra_ctes = False, None, False, []


def _close_database() -> None:
    """Close DuckDB's file, which dbt keeps open for its next command."""
    module = sys.modules.get("dbt.adapters.duckdb.connections")
    if module is not None and module.DuckDBConnectionManager._ENV is not None:
        module.DuckDBConnectionManager._ENV.close()
        module.DuckDBConnectionManager.close_all_connections()


def _command_line(project: Project, arguments: list[str], target_path: Path) -> list[str]:
    command_line = ["--log-format", "json", "--no-use-colors", "--no-version-check", arguments[0]]
    command_line += ["--project-dir", str(project.root), "--profiles-dir", str(profiles_path(project).parent)]
    command_line += ["--log-path", str(target_path.parent / "logs")]
    command_line += ["--target", project.target] if project.target else []
    return [*command_line, *arguments[1:]]


def _environment(project: Project, target_path: Path) -> dict[str, str]:
    # On Databricks, Python models run on another machine, where the project's files are not.
    portable = {PORTABLE_VARIABLE: project.portable()} if engine(project) == DATABRICKS else {}
    return {
        **os.environ,
        **portable,
        PROJECT_DIR_VARIABLE: str(project.root),
        WAREHOUSE_VARIABLE: str(project.warehouse_path),
        TARGET_VARIABLE: str(target_path),
    }


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
    refusal = database_refusal("\n".join([*failed, *(errors or ())]), str(project.warehouse_path))
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


def _show(event: dict[str, Any], console: Console, errors: list[str]) -> None:
    info, data = event["info"], event.get("data", {})
    if info["level"] == "error":
        errors.append(masked(info["msg"].strip()))
    elif info["level"] == "warn":
        console.warn(masked(info["msg"].strip()))
    elif info["name"].startswith("Log") and "total" in data and "index" in data:
        console.progress(f"  {data['index']} of {data['total']}: {data.get('node_info', {}).get('node_name', '')}")


@dataclass(frozen=True)
class Feature:
    """One described column of a gold table.

    Attributes
    ----------
    name : str
        Column name.
    role : str
        ``key``, ``time``, ``feature`` or ``label``.
    data_type : str
        Type in the contract, lower case.
    description : str
        What the column holds.
    source, measure, aggregate, window : str or None
        Where a feature comes from, such as ``orders``, ``amount``, ``sum``, ``30d``.
    leakage_risk : str or None
        ``low``, ``medium`` or ``high``.
    fitted : str or None
        Text column whose fitted components it is made of, such as ``tickets.body``, or label of one, such as
        ``tickets.body.topic``.
    fitted_before, fitted_digest : str or None
        Time (ISO, UTC) up to which texts were known that the components were fitted on, and what names the components;
        None while nothing was fitted.
    ends : tuple of str or None
        What the low and the high end of a component mean: words, or the nearest text.
    """

    name: str
    role: str
    data_type: str = "double"
    description: str = ""
    source: str | None = None
    measure: str | None = None
    aggregate: str | None = None
    window: str | None = None
    leakage_risk: str | None = None
    fitted: str | None = None
    fitted_before: str | None = None
    fitted_digest: str | None = None
    ends: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        if self.ends is not None:  # JSON has lists
            object.__setattr__(self, "ends", tuple(self.ends))

    @property
    def fit(self) -> str | None:
        """Names the fitted components that it is made of; None for other features."""
        return None if self.fitted_digest is None else f"{self.fitted}@{self.fitted_digest}"


def feature_registry(project: Project, model: str = "gld_customer_features") -> list[Feature]:
    """Read the described columns of a gold model, in their order.

    Raises
    ------
    UserError
        When the model is missing or a column has no valid role.
    """
    nodes = project.manifest["nodes"]
    node = next((n for n in nodes.values() if n["resource_type"] == "model" and n["name"] == model), None)
    if node is None:
        raise UserError(
            f"The project has no model {model}.",
            where=str(project.manifest_path),
            hint="run the command in a project that `retention init` wrote, and `retention build` first",
        )
    features = []
    for column in node["columns"].values():
        meta = {**column.get("meta", {}), **column.get("config", {}).get("meta", {})}
        if meta.get("role") == FINGERPRINT_ROLE:  # says what a row was made from, for daily builds
            continue
        if meta.get("role") not in ROLES:
            raise UserError(
                f"Column {column['name']} of {model} has no role.",
                where=node["original_file_path"],
                hint=f"set config.meta.role to one of {', '.join(ROLES)}",
            )
        features.append(
            Feature(
                name=column["name"],
                role=meta["role"],
                data_type=(column.get("data_type") or "double").lower(),
                description=column.get("description", ""),
                **{k: meta.get(k) for k in ("source", "measure", "aggregate", "window", "leakage_risk", "fitted")},
            )
        )
    return _with_fits(project, features)


def _with_fits(project: Project, features: list[Feature]) -> list[Feature]:
    """Features with what the warehouse says of the components that they are made of."""
    if not any(feature.fitted for feature in features) or not project.warehouse_path.is_file():
        return features
    with connect(project) as connection:
        fits = {text: (before.isoformat(), digest) for text, before, digest in text_fits(connection)}
        meanings = component_meanings(connection)

    def fitted(feature: Feature) -> Feature:
        before, digest = fits[feature.fitted]
        meaning = meanings.get((feature.fitted, component_of(feature.measure)))
        return replace(feature, fitted_before=before, fitted_digest=digest, ends=meaning and meaning.ends)

    return [fitted(feature) if feature.fitted in fits else feature for feature in features]


if __name__ == "__main__":
    _serve()
