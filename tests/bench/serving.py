"""Latency of `retention serve` under a steady load, and what it does when its store is gone.

    python -m tests.bench.serving --project FOLDER    a built project with a champion, such as the demo; it is copied
    python -m tests.bench.serving                     one made of a simulated business of 2,000 customers

An open loop: requests are due at even distances, whether or not earlier ones have been answered, and their latency
counts from when they were due. A client that waits for answers would send less to a slow server, and hide that it is
slow. Customers are drawn at random; client and server share the machine. Then the warehouse is taken away under the
same load.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np

from python_ml.project import Project
from python_ml.warehouse import read_table

from .commands import keep, parser
from .steps import small_project

LIMIT_MS = 50.0
CONNECTIONS = 16
ROUTE = "/v1/customers/{}/score"
GONE_SECONDS = 5.0
PATIENCE = 30.0  # seconds until a server must have recovered


class Answer(NamedTuple):
    """Seconds from the beginning when a request was due and answered, and its status; 0 without an answer."""

    due: float
    done: float
    status: int


class Client:
    """Requests over connections that stay open."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter] | None] = asyncio.Queue()
        for _ in range(CONNECTIONS):
            self._idle.put_nowait(None)

    async def get(self, path: str) -> int:
        """The status of a response, read to its end; 0 where there is none."""
        connection = await self._idle.get()
        try:
            if connection is None:
                connection = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = connection
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
            length = {name.lower(): value for name, value in fields.items()}[b"content-length"]
            await reader.readexactly(int(length))
            return int(head.split(b" ", 2)[1])
        except (OSError, asyncio.IncompleteReadError):
            connection = None
            return 0
        finally:
            self._idle.put_nowait(connection)


async def load(port: int, paths: list[str], rate: float, seconds: float) -> list[Answer]:
    """Send requests at a steady rate."""
    client, draw, start = Client(port), random.Random(0), time.perf_counter()
    answers: list[Answer] = []

    async def one(due: float, path: str) -> None:
        status = await client.get(path)
        answers.append(Answer(due, time.perf_counter() - start, status))

    waiting = set()
    for number in range(int(rate * seconds)):
        due = number / rate
        await asyncio.sleep(max(0.0, start + due - time.perf_counter()))
        waiting.add(asyncio.create_task(one(due, draw.choice(paths))))
    await asyncio.gather(*waiting)
    return answers


async def outage(port: int, paths: list[str], rate: float, warehouse: Path) -> dict[str, Any]:
    """Take the warehouse away and give it back, under load."""
    aside = warehouse.with_suffix(".aside")
    running = asyncio.create_task(load(port, paths, rate, 2 * GONE_SECONDS + PATIENCE))
    start = time.perf_counter()
    await asyncio.sleep(GONE_SECONDS)
    gone = time.perf_counter() - start
    warehouse.rename(aside)
    await asyncio.sleep(GONE_SECONDS)
    aside.rename(warehouse)
    back = time.perf_counter() - start
    answers = await running
    settled = 0.1  # requests that were being answered at that moment
    during = Counter(a.status for a in answers if gone + settled < a.due < back - settled)
    first = min((a.done for a in answers if a.due > back and a.status == 200), default=float("inf"))
    after = Counter(a.status for a in answers if a.due > first)
    return {"during": dict(during), "recovered_seconds": first - back, "after": dict(after)}


def summary(answers: list[Answer]) -> dict[str, Any]:
    """Percentiles in milliseconds, and what was answered."""
    milliseconds = np.array([1_000 * (a.done - a.due) for a in answers])
    p50, p90, p99, p999 = np.percentile(milliseconds, [50, 90, 99, 99.9])
    return {
        "requests": len(answers),
        "errors": sum(a.status != 200 for a in answers),
        "p50": p50,
        "p90": p90,
        "p99": p99,
        "p99.9": p999,
        "greatest": milliseconds.max(),
    }


def main() -> int:
    """Measure and print; 1 where the goals are missed."""
    command = parser("serving", __doc__)
    command.add_argument("--project", type=Path, help="folder of a built project with a champion")
    command.add_argument("--rate", type=float, default=50.0, help="requests per second")
    command.add_argument("--seconds", type=float, default=60.0, help="of the load without an outage")
    chosen = command.parse_args()
    with tempfile.TemporaryDirectory(prefix="retention_serving_") as place:
        folder = _project(chosen.project, Path(place) / "project")
        found = measure(folder, chosen.rate, chosen.seconds)
    print(report(found))
    keep(found, chosen.json)
    gone = found["outage"]
    good = not found["errors"] and found["p99"] < LIMIT_MS and set(gone["during"]) == {503}
    return 0 if good and set(gone["after"]) == {200} and found["exit_code"] == 0 else 1


def measure(folder: Path, rate: float, seconds: float) -> dict[str, Any]:
    """Start a server in a project, load it, take its warehouse away, and stop it."""
    project = Project.open(folder)
    keys = read_table(project, "gold.gld_scoring_set")[project.entity].astype(str)
    paths = [ROUTE.format(quote(key, safe="")) for key in keys]
    with (folder / "serve.log").open("w", encoding="utf-8") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "python_ml", "serve", "--port", "0", "--project-dir", str(folder), "--json"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            document = ""
            while not document.endswith("}\n"):
                line = server.stdout.readline()
                if not line:
                    raise SystemExit((folder / "serve.log").read_text(encoding="utf-8"))
                document += line
            port = int(json.loads(document)["address"].rpartition(":")[2])
            asyncio.run(load(port, paths, rate, 2))  # code that runs for the first time
            used = _cpu(server.pid)
            answers = asyncio.run(load(port, paths, rate, seconds))
            used = _cpu(server.pid) - used
            gone = asyncio.run(outage(port, paths, rate, project.warehouse_path))
            server.send_signal(signal.SIGTERM)
            code = server.wait(timeout=PATIENCE)
        finally:
            server.kill()
            server.wait()
    started = json.loads(document)
    return {
        "model": started["model_name"],
        "customers": len(keys),
        "rate": rate,
        **summary(answers),
        "cpu_ms": 1_000 * used / len(answers),
        "load_average": os.getloadavg()[0],
        "outage": gone,
        "exit_code": code,
    }


def report(found: dict[str, Any]) -> str:
    """The tables of a measurement."""
    gone = found["outage"]
    return "\n".join(
        [
            f"{found['customers']:,} customers, champion {found['model']}, {found['rate']:g} requests per second, "
            f"load average {found['load_average']:.1f}",
            "",
            "| requests | errors | p50 | p90 | p99 | p99.9 | greatest | CPU of the server per request |",
            "|---|---|---|---|---|---|---|---|",
            f"| {found['requests']:,} | {found['errors']} | "
            + " | ".join(f"{found[name]:.1f} ms" for name in ("p50", "p90", "p99", "p99.9", "greatest", "cpu_ms"))
            + " |",
            "",
            f"warehouse gone: {gone['during']}; back: first score after {gone['recovered_seconds']:.2f} s, then "
            f"{gone['after']}; SIGTERM: exit code {found['exit_code']}",
        ]
    )


def _project(given: Path | None, place: Path) -> Path:
    if given is None:
        small_project(place)
        subprocess.run([sys.executable, "-m", "python_ml", "run", "--project-dir", str(place)], check=True)
        return place
    return Path(shutil.copytree(given, place, ignore=shutil.ignore_patterns(".git", ".venv")))


def _cpu(pid: int) -> float:
    """CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
