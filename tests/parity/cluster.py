"""Build the demo on a standalone Spark cluster of this machine: a master, two workers with a core and a gigabyte each.

Everything listens on the loopback address, on free ports, and is stopped at the end.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.python.spark.conftest import missing

from . import building

HOST = "127.0.0.1"
WORKERS = 2
PATIENCE = 90  # seconds until master and workers must have started


def main() -> int:
    """Build the demo on the cluster; the exit code of dbt."""
    if reason := missing():
        sys.stderr.write(f"The cluster cannot be started: {reason}.\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="spark_cluster_") as scratch:
        folder = building.demo(Path(scratch) / "demo")
        with cluster(Path(scratch) / "logs") as master:
            sys.stderr.write(f"The cluster listens at {master}.\n")
            began = time.monotonic()
            words = [sys.executable, "-c", "from dbt.cli.main import cli; cli()", "build", "--target", "spark"]
            tuned = {"SPARK_MASTER": master, "SPARK_LOCAL_IP": HOST, "SPARK_SHUFFLE_PARTITIONS": "4"}
            own = {"PYTHONPATH": str(building.REPOSITORY), "PYSPARK_PYTHON": sys.executable}
            done = subprocess.run(words, cwd=folder, env={**os.environ, **tuned, **own}, check=False)
            sys.stdout.write(f"dbt ended with code {done.returncode} after {time.monotonic() - began:.0f} s.\n")
            return done.returncode


@contextmanager
def cluster(logs: Path, workers: int = WORKERS) -> Iterator[str]:
    """A standalone master and its workers, stopped at the end.

    Parameters
    ----------
    logs : Path
        Folder of what they print, made here.
    workers : int

    Yields
    ------
    str
        Address of the master, ``spark://host:port``.

    Raises
    ------
    RuntimeError
        When they do not start in time.
    """
    logs.mkdir(parents=True)
    port = _free_port()
    master, started = f"spark://{HOST}:{port}", []
    # A signal ends the process by an exception, so that the finally clause below stops what was started.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        options = ["--host", HOST, "--port", str(port), "--webui-port", "0"]
        started.append(_start("master.Master", options, logs / "master.log"))
        _wait_for("Starting Spark master at", logs / "master.log", started)
        for number in range(workers):
            log = logs / f"worker_{number}.log"
            options = ["--host", HOST, "--webui-port", "0", "--cores", "1", "--memory", "1g"]
            options += ["--work-dir", str(logs / f"work_{number}"), master]
            started.append(_start("worker.Worker", options, log))
        for number in range(workers):
            _wait_for("Successfully registered with master", logs / f"worker_{number}.log", started)
        yield master
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        signal.signal(signal.SIGTERM, before)


def _start(kind: str, options: list[str], log: Path) -> subprocess.Popen:
    import pyspark

    home = Path(pyspark.__file__).parent
    command = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{kind}", *options]
    environment = {**os.environ, "SPARK_HOME": str(home), "SPARK_LOCAL_IP": HOST, "SPARK_DAEMON_MEMORY": "512m"}
    # What they say of their start is information, which Spark logs by its own settings only when told.
    settings = log.with_suffix(".properties")
    settings.write_text(
        "rootLogger.level = info\nrootLogger.appenderRef.stdout.ref = console\nappender.console.type = Console\n"
        "appender.console.name = console\nappender.console.target = SYSTEM_ERR\n"
        "appender.console.layout.type = PatternLayout\nappender.console.layout.pattern = %d %p %m%n\n",
        encoding="utf-8",
    )
    environment["SPARK_DAEMON_JAVA_OPTS"] = f"-Dlog4j2.configurationFile={settings} -XX:+UseSerialGC"
    with log.open("w", encoding="utf-8") as said:
        return subprocess.Popen(command, env=environment, stdout=said, stderr=subprocess.STDOUT)


def _wait_for(text: str, log: Path, started: list[subprocess.Popen]) -> None:
    limit = time.monotonic() + PATIENCE
    while text not in (said := log.read_text(encoding="utf-8", errors="replace")):
        if time.monotonic() > limit or any(process.poll() is not None for process in started):
            raise RuntimeError(f"The Spark cluster does not start:\n{said[-2000:]}")
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as made:
        made.bind((HOST, 0))
        return made.getsockname()[1]


if __name__ == "__main__":
    sys.exit(main())
