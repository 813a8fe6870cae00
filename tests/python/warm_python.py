"""A Python that has imported dbt and the libraries of training already: tests start it often, imports take seconds.

The server imports once, parses this repository's project once, and forks for each request. What dbt derives from a text
alone (parsed templates) and from its own classes (schemas) is then in the memory of every fork: dbt keeps such
caches for its own tests. The client takes the arguments of Python (`-c CODE ...` or
`-m MODULE ...`), has them run in the client's folder and environment with its input and output, and ends with their
exit code.
It runs as a script, with the standard library alone, so that it starts at once.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from sqlalchemy import Engine

REPOSITORY = str(Path(__file__).resolve().parents[2])
_LENGTH = 1 << 20
SLOW_TO_IMPORT = (
    "dbt.adapters.duckdb", "dbt.cli.main", "lightgbm", "matplotlib.figure", "mlflow.sklearn", "sklearn.ensemble",
    "xgboost",
)  # fmt: skip


def serve(path: str) -> None:
    """Import what is slow to import, then fork for every request on the socket."""
    for name in SLOW_TO_IMPORT:
        importlib.import_module(name)
    quicken_dbt()
    fill_caches()
    migrate_once(Path(path).parent)
    gc.freeze()  # or the first collection of each fork would copy all memory

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path + ".new")
        server.listen()
        # The path appears when the server listens.
        Path(path + ".new").rename(path)
        # Nobody waits for the children: each says itself how it ended.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: _end(0))
        while True:
            connection, _ = server.accept()
            message, streams, _, _ = socket.recv_fds(connection, _LENGTH, 3)
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                server.close()
                code = _become(json.loads(message), streams, connection.detach(), path)
                _end(code)
            for stream in streams:
                os.close(stream)
            connection.close()


def _end(code: int) -> NoReturn:
    """End this process without freeing all objects one by one, for which a fork would copy the memory of the server."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def quicken_dbt() -> None:
    """Switch on the caches that dbt has for its own tests, and spare it a search.

    For the owner of each behaviour flag of an adapter, whom only a warning names, it walks the stack and all modules
    that are imported: half a second in a test.
    """
    from dbt_common.behavior_flags import BehaviorFlagRendered
    from dbt_common.tests import enable_test_caching

    enable_test_caching()
    BehaviorFlagRendered._default_source = staticmethod(lambda: "dbt.adapters")


def fill_caches() -> None:
    """Parse the repository's project, so that its templates are in the caches."""
    from dbt.cli.main import dbtRunner

    before, folder = dict(os.environ), Path.cwd()
    with tempfile.TemporaryDirectory(prefix="warm_") as scratch:
        os.environ["RETENTION_DUCKDB_PATH"] = f"{scratch}/warehouse.duckdb"
        os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
        places = ("--project-dir", REPOSITORY, "--profiles-dir", REPOSITORY)
        paths = ("--target-path", f"{scratch}/target", "--log-path", f"{scratch}/logs")
        # Without the static parser, whose threads a fork would lose.
        parsed = dbtRunner().invoke(["--quiet", "--no-static-parser", "parse", *places, *paths])
    if not parsed.success:
        raise SystemExit(f"dbt cannot parse {REPOSITORY}: {parsed.exception}")
    os.environ.clear()
    os.environ.update(before)
    os.chdir(folder)


def migrate_once(folder: Path) -> None:
    """Let MLflow migrate its first new SQLite database only; those after it, here and in forks, are copies of it.

    From the first version of its tables to the present one takes MLflow more than a second of computing. A database
    that has tables already is migrated as ever.
    """
    from mlflow.store.db import utils

    template, migrate = folder / "migrated.db", utils._upgrade_db

    def upgrade(engine: Engine) -> None:
        with engine.connect() as connection:
            database = connection.connection.driver_connection
            is_new = (
                isinstance(database, sqlite3.Connection)
                and not database.execute("select 1 from sqlite_master where name = 'alembic_version'").fetchall()
            )
            if is_new and template.exists():
                with contextlib.closing(sqlite3.connect(template)) as migrated:
                    migrated.backup(database)
                return
        migrate(engine)
        if is_new:
            copy = template.with_suffix(f".{os.getpid()}")
            shutil.copyfile(engine.url.database, copy)
            copy.rename(template)

    utils._upgrade_db = upgrade


def _become(request: dict, streams: list[int], client: int, server: str) -> int:
    """Run what was asked for in this process; the exit code, which the client is told.

    The client waits for the end of its connection, which comes with the end of this process.
    """
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path.insert(0, "")
    flag, what, *words = request["words"]
    if what != "python_ml.dbt":
        # What it starts in its turn is a fork, too.
        importlib.import_module("python_ml.dbt").PYTHON = _words(server)
    sys.argv = [flag, *words]
    code = 0
    try:
        if flag == "-c":
            exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
        else:
            runpy.run_module(what, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    os.write(client, str(code).encode())
    return code


def ask(path: str, words: list[str]) -> int:
    """Have the server run the arguments of Python; the exit code."""
    request = {"folder": str(Path.cwd()), "environment": dict(os.environ), "words": words}
    while not Path(path).exists():
        time.sleep(0.05)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2])
        answer = b""
        while part := connection.recv(16):
            answer += part
        return int(answer or b"1")


def _words(path: str) -> list[str]:
    """The words that stand for ``python`` while the server listens."""
    return [sys.executable, "-ES", __file__, path]


@contextlib.contextmanager
def warm_python() -> Iterator[list[str]]:
    """Start a server; the words that stand for ``python`` while it runs."""
    # The path of a socket may have 100 characters at most, which folders of pytest exceed.
    with tempfile.TemporaryDirectory(prefix="warm_") as folder:
        path = f"{folder}/python"
        server = subprocess.Popen([sys.executable, __file__, "--serve", path])
        try:
            yield _words(path)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        serve(sys.argv[2])
    sys.exit(ask(sys.argv[1], sys.argv[2:]))
