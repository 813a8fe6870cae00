"""Our own dbt macros, rendered for DuckDB without dbt: what measures raw values is the SQL that bronze runs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import python_ml
from python_ml.errors import RetentionError

if TYPE_CHECKING:
    import duckdb

_FOLDERS = ("cleaning", "cross_db", "temporal", "text")
_VARIABLES: ContextVar[Mapping[str, Any]] = ContextVar("variables", default=MappingProxyType({}))
_CONNECTION: ContextVar[duckdb.DuckDBPyConnection | None] = ContextVar("connection", default=None)
_PROJECT_DIR: ContextVar[str] = ContextVar("project directory", default=".")


def dbt_package_source() -> Path:
    """Locate the folder that holds ``macros`` and ``tests/generic``.

    In an installed wheel it lies inside the Python package, in a checkout it is the repository's root.

    Raises
    ------
    RetentionError
        When neither exists: a broken installation.
    """
    inside = Path(python_ml.__file__).resolve().parent
    for folder in (inside / "_dbt_package", inside.parent):
        if (folder / "macros" / "temporal").is_dir():
            return folder
    raise RetentionError(
        "The dbt macros are missing from this installation.",
        where=str(inside / "_dbt_package"),
        hint="install customer-retention again",
    )


def rendered(
    jinja_text: str,
    *,
    ref: Callable[[str], str] | None = None,
    source: Callable[[str, str], str] | None = None,
    variables: Mapping[str, Any] | None = None,
) -> str:
    """Render Jinja text that calls macros of this package, as dbt compiles it for DuckDB.

    Parameters
    ----------
    jinja_text : str
        An expression such as ``{{ customer_retention.to_decimal('amount', 18, 2) }}``, or the file of a model.
    ref, source : callable, optional
        Relations in place of models and sources.
    variables : mapping, optional
        Values of ``var``.

    Returns
    -------
    str
        SQL.

    Raises
    ------
    RetentionError
        When a macro refuses its arguments.
    """
    if ref is None and source is None and variables is None:
        return _rendered(jinja_text)
    with _bound({_VARIABLES: variables or {}}):
        return _environment().from_string(jinja_text).render(ref=ref, source=source)


def raw_file_rows(
    connection: duckdb.DuckDBPyConnection, file: Mapping[str, Any], project_dir: Path, variables: Mapping[str, Any]
) -> str:
    """The query that reads a raw file of a project, as the macro of that name writes it.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Looks whether the file is there and has its columns.
    file : mapping
        ``meta.file`` of the source.
    project_dir : Path
    variables : mapping
        Variables of the project.

    Returns
    -------
    str
        SQL.

    Raises
    ------
    RetentionError
        When the file is missing or its columns moved.
    """
    with _bound({_CONNECTION: connection, _PROJECT_DIR: str(project_dir), _VARIABLES: variables}):
        return _environment().globals["customer_retention"].raw_file_rows(file)


@contextmanager
def _bound(values: Mapping[ContextVar, Any]) -> Iterator[None]:
    """Give context variables values for a while."""
    tokens = [(variable, variable.set(value)) for variable, value in values.items()]
    try:
        yield
    finally:
        for variable, token in tokens:
            variable.reset(token)


@lru_cache(maxsize=4096)
def _rendered(jinja_text: str) -> str:
    return _environment().from_string(jinja_text).render()


class _Return(Exception):  # noqa: N818 - as in dbt, control flow rather than an error
    """Carries what ``return`` of a macro gives."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class _Macros:
    """The namespace ``customer_retention``: macros by attribute, each file compiled when it is first needed."""

    def __init__(self, folder: Path, environment: Any) -> None:
        self._environment = environment
        self._texts: dict[str, str] = {}
        self._macros: dict[str, Any] = {}
        for part in _FOLDERS:
            for path in sorted((folder / part).rglob("*.sql")):
                # Jinja hides names with an underscore in front from other modules; dbt does not.
                text = re.sub(r"(macro |customer_retention\.)_", r"\1private_", path.read_text(encoding="utf-8"))
                self._texts |= dict.fromkeys(re.findall(r"macro (\w+)\(", text), text)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in self._macros:
            if name not in self._texts:
                raise AttributeError(name)
            module = self._environment.from_string(self._texts[name]).module
            self._macros |= {n: self._returning(macro) for n, macro in vars(module).items() if callable(macro)}
        return self._macros[name]

    def dispatch(self, name: str, _package: str | None = None) -> Callable[..., Any]:
        """The macro for DuckDB, as ``adapter.dispatch``."""
        return getattr(self, next(full for p in ("duckdb", "default") if (full := f"{p}__{name}") in self._texts))

    @staticmethod
    def _returning(macro: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            try:
                return macro(*arguments, **named)
            except _Return as returned:
                return returned.value

        return call


@lru_cache(maxsize=1)
def _environment() -> Any:
    import jinja2

    def give_back(value: Any = None) -> None:
        raise _Return(value)

    def refuse(message: str) -> None:
        raise RetentionError(message)

    def run_query(query: str) -> SimpleNamespace:
        rows = _CONNECTION.get().execute(query).fetchall()
        columns = [SimpleNamespace(values=lambda column=column: list(column)) for column in zip(*rows, strict=True)]
        return SimpleNamespace(rows=rows, columns=columns)

    class Invocation:
        @property
        def project_dir(self) -> str:
            return _PROJECT_DIR.get()

    environment = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False)  # noqa: S701 - SQL, no HTML
    macros = _Macros(dbt_package_source() / "macros", environment)
    types = {"string": "TEXT", "timestamp": "timestamp", "bigint": "bigint", "int": "INT", "boolean": "boolean"}
    environment.globals |= {
        "return": give_back,
        "customer_retention": macros,
        "adapter": SimpleNamespace(dispatch=macros.dispatch),
        "exceptions": SimpleNamespace(raise_compiler_error=refuse),
        "dbt": SimpleNamespace(
            **{f"type_{name}": lambda sql=sql: sql for name, sql in types.items()},
            dateadd=lambda part, n, start: f"date_add(cast({start} as timestamp), interval ({n}) {part})",
            hash=lambda field: f"md5(cast({field} as TEXT))",
            datediff=lambda a, b, part: f"date_diff('{part}', cast({a} as timestamp), cast({b} as timestamp))",
        ),
        "modules": SimpleNamespace(re=re),
        "var": lambda name, default=None: _VARIABLES.get().get(name, default),
        "config": lambda **_: "",
        "env_var": lambda name, default=None: os.environ.get(name, default),
        "run_query": run_query,
        "invocation_args_dict": Invocation(),
        "execute": False,
    }
    return environment
