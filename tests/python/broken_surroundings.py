"""What can go wrong around a project: damaged files, full disks, missing rights, unreachable servers.

Every situation is something that a person can cause and mend, with what the message must say of it.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

DEEP = 200_000 * "["
LONG = "x" * 300
URI = "MLFLOW_TRACKING_URI"


@dataclass(frozen=True)
class Situation:
    """Something that is broken, and the command that meets it.

    Attributes
    ----------
    words : tuple of str
        The command.
    arrange : callable
        Breaks a copy of the project; gets its folder and the means to patch this process.
    said : tuple of str
        Parts of the message.
    variables : dict of str to str
        Of the environment.
    """

    words: tuple[str, ...]
    arrange: Callable[[Path, pytest.MonkeyPatch], object]
    said: tuple[str, ...]
    variables: dict[str, str] = field(default_factory=dict)


def written(name: str, content: str | bytes) -> Callable:
    """Put these bytes in place of a file."""

    def arrange(folder: Path, patch: pytest.MonkeyPatch) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return arrange


def file_for_folder(name: str) -> Callable:
    """Put a file where a folder belongs."""

    def arrange(folder: Path, patch: pytest.MonkeyPatch) -> None:
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).write_text("a file")

    return arrange


def folder_for_file(name: str) -> Callable:
    """Put a folder where a file belongs."""

    def arrange(folder: Path, patch: pytest.MonkeyPatch) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).mkdir(parents=True)

    return arrange


def failing_writes(code: int) -> Callable:
    """Let the operating system refuse every write of text: no right, or no room."""

    def refuse(path: Path, *content: object, **options: object) -> int:
        raise OSError(code, os.strerror(code), str(path))

    def arrange(folder: Path, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(Path, "write_bytes", refuse)
        patch.setattr(Path, "write_text", refuse)

    return arrange


def statement(query: str) -> Callable:
    """Change the model store behind MLflow's back."""

    def arrange(folder: Path, patch: pytest.MonkeyPatch) -> None:
        with sqlite3.connect(folder / "mlflow.db") as connection:
            connection.execute(query)
        connection.close()

    return arrange


def damaged(name: str, start: float, length: int = 40_000) -> Callable:
    """Overwrite a part of a file, as a bad disk does; ``start`` is a share of its size."""

    def arrange(folder: Path, patch: pytest.MonkeyPatch) -> None:
        path = folder / name
        size = path.stat().st_size
        at = int(start * size)
        with path.open("r+b") as file:
            file.seek(at)
            file.write(b"\xa5" * min(length, size - at))

    return arrange


def changed_json(name: str, **parts: object) -> Callable:
    """Change top-level parts of a JSON document."""

    def arrange(folder: Path, patch: pytest.MonkeyPatch) -> None:
        path = folder / name
        path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | parts), encoding="utf-8")

    return arrange


def tampered(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Change the champion's model file."""
    (path,) = folder.glob("mlartifacts/models/*/artifacts/model.pkl")
    path.write_bytes(path.read_bytes() + b" ")


def loop(name: str) -> Callable:
    """A link that leads to itself."""

    def arrange(folder: Path, patch: pytest.MonkeyPatch) -> None:
        (folder / name).symlink_to(folder / name)

    return arrange


def laughing(name: str, key: str) -> Callable:
    """Ten aliases of ten aliases of ten aliases …: a billion texts in ten lines."""
    lines = ["a0: &a0 [lol]", *(f"a{n}: &a{n} [{', '.join(10 * [f'*a{n - 1}'])}]" for n in range(1, 10))]
    return written(name, "\n".join([*lines, f"{key}: *a9"]) + "\n")


def nothing(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """The command itself is the mistake."""


FULL, DENIED = "no space left", "not allowed"

IN_A_PROJECT: dict[str, Situation] = {
    # no right, no room, the wrong kind of thing
    "report on a full disk": Situation(("report",), failing_writes(errno.ENOSPC), (FULL, "index.html")),
    "report without the right": Situation(("report",), failing_writes(errno.EACCES), (DENIED, "index.html")),
    "report onto a folder": Situation(
        ("report",), folder_for_file("reports/index.html"), ("is a folder", "index.html")
    ),
    "score on a full disk": Situation(("score",), failing_writes(errno.ENOSPC), (FULL, "quality.json")),
    "score with a file for reports": Situation(("score",), file_for_folder("reports"), ("reports",)),
    "train on a read-only disk": Situation(("train",), failing_writes(errno.EROFS), (DENIED, "quality.json")),
    "train with a file for mlartifacts": Situation(("train",), file_for_folder("mlartifacts"), ("mlartifacts",)),
    "snapshot on a full disk": Situation(
        ("snapshot", "create", "--cutoff", "2024-01-01"), failing_writes(errno.ENOSPC), (FULL, "snapshot.json")
    ),
    "snapshot with a file for its folder": Situation(
        ("snapshot", "create", "--cutoff", "2024-01-01"), file_for_folder("training_snapshots"), ("training_snapshots",)
    ),
    "profiles.yml is a folder": Situation(("snapshot", "list"), folder_for_file("profiles.yml"), ("profiles.yml",)),
    "build with a file for target": Situation(("build",), file_for_folder("target"), ("target",)),
    "build with a file for logs": Situation(("build",), file_for_folder("logs"), ("logs",)),
    # dbt_project.yml
    "vars are a list": Situation(("train",), written("dbt_project.yml", "name: shop\nvars: [1]\n"), ("vars",)),
    "vars are text": Situation(("report",), written("dbt_project.yml", "name: shop\nvars: x\n"), ("vars",)),
    "the name is a list": Situation(("train",), written("dbt_project.yml", "name: [a]\nvars: {}\n"), ("name",)),
    "no YAML for dbt": Situation(
        ("build",), written("dbt_project.yml", "name: shop\nprofile: shop\nmodel-paths: 3\n"), ("dbt",)
    ),
    # the manifest
    "manifest cut off": Situation(("train",), written("target/manifest.json", '{"nodes": {'), ("manifest", "build")),
    "manifest of another kind": Situation(("train",), written("target/manifest.json", "[]"), ("manifest", "build")),
    "manifest without nodes": Situation(("report",), written("target/manifest.json", '{"nodes": 3}'), ("manifest",)),
    "manifest with odd nodes": Situation(
        ("train",), written("target/manifest.json", '{"nodes": {"a": 1}}'), ("manifest",)
    ),
    "manifest nested": Situation(("train",), written("target/manifest.json", DEEP), ("manifest", "nested")),
    "manifest of bytes": Situation(("train",), written("target/manifest.json", b"\xff\xfe\x00"), ("manifest",)),
    # the model store
    "store of bytes": Situation(("score",), written("mlflow.db", b"this is no database" * 500), ("mlflow.db",)),
    "store of bytes, training": Situation(("train",), written("mlflow.db", b"no database" * 500), ("mlflow.db",)),
    "store damaged inside": Situation(("score",), damaged("mlflow.db", 0.0, 400_000), ("mlflow.db",)),
    "store without a table": Situation(("score",), statement("drop table registered_model_aliases"), ("mlflow.db",)),
    "store of a folder": Situation(("train",), folder_for_file("mlflow.db"), ("mlflow.db",)),
    "store of another schema": Situation(
        ("score",), statement("update alembic_version set version_num = 'x'"), ("mlflow.db",)
    ),
    "alias to a missing version": Situation(
        ("score",), statement("update registered_model_aliases set version = 99"), ("99", "retention train")
    ),
    "tampered champion": Situation(("score",), tampered, ("differ from those that were registered",)),
    "tampered champion, quality": Situation(("quality", "--scoring"), tampered, ("differ from those",)),
    "unknown kind of store": Situation(("score",), nothing, ("foo://bar",), {URI: "foo://bar"}),
    "unknown kind of store, training": Situation(("train",), nothing, ("foo://bar",), {URI: "foo://bar"}),
    "store that nobody serves": Situation(
        ("score",), nothing, ("http://127.0.0.1:9", "answer"), {URI: "http://127.0.0.1:9"}
    ),
    "store of a missing driver": Situation(("score",), nothing, ("mysql+nothing://h/d",), {URI: "mysql+nothing://h/d"}),
    "store of no address": Situation(("score",), nothing, ("MLFLOW_TRACKING_URI",), {URI: "sqlite://{folder}"}),
    "store in a missing folder": Situation(
        ("train",), nothing, ("/proc/none/x.db",), {URI: "sqlite:////proc/none/x.db"}
    ),
    # the warehouse
    "warehouse of bytes": Situation(
        ("train",), written("warehouse.duckdb", b"no warehouse" * 999), ("warehouse.duckdb",)
    ),
    "warehouse empty": Situation(("train",), written("warehouse.duckdb", b""), ("warehouse.duckdb", "retention build")),
    "warehouse damaged early": Situation(("train",), damaged("warehouse.duckdb", 0.02), ("warehouse.duckdb",)),
    "warehouse damaged inside": Situation(("train",), damaged("warehouse.duckdb", 0.3, 900_000), ("warehouse.duckdb",)),
    "warehouse cut off": Situation(
        ("train",), lambda f, p: os.truncate(f / "warehouse.duckdb", 300_000), ("warehouse.duckdb",)
    ),
    # what runs leave behind
    "metrics nested": Situation(
        ("report",), written("reports/metrics.json", DEEP), ("metrics.json", "retention train")
    ),
    "verdicts nested": Situation(("report",), written("reports/quality.json", DEEP), ("quality.json",)),
    "verdicts of another kind": Situation(("report",), written("reports/quality.json", "[]"), ("quality.json",)),
    "verdicts of text": Situation(("report",), written("reports/quality.json", b"\xff"), ("quality.json",)),
    "findings nested": Situation(("report",), written("findings.yaml", DEEP), ("findings.yaml",)),
    "predictions of bytes": Situation(("report",), written("reports/predictions.parquet", b"PAR1xx"), ("predictions",)),
    "settings onto a folder": Situation(("train",), folder_for_file("retention.yml"), ("retention.yml",)),
    # what was typed
    "cutoff before time": Situation(
        ("snapshot", "create", "--cutoff", "0001-01-01T00:00:00+14:00"), nothing, ("--cutoff",)
    ),
    "cutoff after time": Situation(
        ("snapshot", "create", "--cutoff", "9999-12-31T23:59:59-14:00"), nothing, ("--cutoff",)
    ),
    "cutoff in the year 1": Situation(("snapshot", "create", "--cutoff", "0001-01-01"), nothing, ("--cutoff",)),
    "replay of the year 1": Situation(("replay", "--as-of", "0001-01-01T00:00:00+05:00"), nothing, ("--as-of",)),
    "a target that is none": Situation(("train", "--target", "nonsense"), nothing, ("nonsense", "dev")),
    "Spark without Java": Situation(
        ("train", "--target", "spark"), nothing, ("Java",), variables={"PATH": "nowhere", "JAVA_HOME": ""}
    ),
    "replay on Spark": Situation(("replay", "--as-of", "2024-01-01", "--target", "spark"), nothing, ("spark", "dev")),
    "report on Databricks": Situation(
        ("report", "--target", "databricks"), nothing, ("does not answer", "DATABRICKS_HOST")
    ),
    "a target with another file": Situation(
        ("train", "--target", "other"), nothing, ("other.duckdb", "warehouse.duckdb")
    ),
    "a loop for a folder": Situation(("report", "--project-dir", "loop"), loop("loop"), ("loop",)),
    "a folder with a long name": Situation(("report", "--project-dir", LONG), nothing, ("xxx", "too long")),
    "code in profiles.yml": Situation(
        ("snapshot", "list"),
        written("profiles.yml", "shop:\n  target: \"{{ ''.__class__.__mro__[1].__subclasses__() }}\"\n  outputs: {}\n"),
        ("profiles.yml",),
    ),
    "broken code in profiles.yml": Situation(
        ("snapshot", "list"),
        written("profiles.yml", "shop:\n  target: '{{ env_var( }}'\n  outputs: {}\n"),
        ("profiles.yml",),
    ),
    "profiles that laugh": Situation(("snapshot", "list"), laughing("profiles.yml", "shop"), ("profiles.yml", "alias")),
    "settings that laugh": Situation(("train",), laughing("retention.yml", "training"), ("retention.yml", "alias")),
    "a project file that laughs": Situation(
        ("train",), laughing("dbt_project.yml", "vars"), ("dbt_project.yml", "alias")
    ),
}
