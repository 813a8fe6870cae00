"""A bundle as it is written: its files, its variables, and what its references stand for in each target."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from python_ml.deploy.files import BUNDLE
from python_ml.errors import UserError
from python_ml.yaml_io import parsed

REFERENCE = re.compile(r"\$\{([^}]*)\}")
# References that the command line of Databricks fills in.
BUILT_IN = (
    "bundle.name", "bundle.target", "bundle.environment", "bundle.git.branch", "bundle.git.commit",
    "workspace.host", "workspace.root_path", "workspace.file_path", "workspace.artifact_path", "workspace.state_path",
    "workspace.current_user.short_name", "workspace.current_user.userName",
    "workspace.current_user.domain_friendly_name",
)  # fmt: skip
# What a value that only deployment knows is taken for.
STAND_IN = "placeholder"


@dataclass(frozen=True)
class Document:
    """One YAML file of a bundle."""

    path: Path
    content: dict[str, Any]


@dataclass(frozen=True)
class Job:
    """One job, as written."""

    key: str
    content: dict[str, Any]
    path: Path

    @property
    def tasks(self) -> list[dict[str, Any]]:
        """Its tasks, as far as they are mappings."""
        return [task for task in as_list(self.content.get("tasks")) if isinstance(task, dict)]

    def where(self, *place: str) -> str:
        """File and place in it, for messages."""
        return f"{self.path}, " + ".".join(["jobs", self.key, *place])


@dataclass(frozen=True)
class Bundle:
    """The files of a bundle.

    Attributes
    ----------
    root : Path
        Folder with databricks.yml.
    main : Document
        databricks.yml; paths of documents are relative to ``root``.
    included : tuple of Document
    unmatched : tuple of str
        Patterns of ``include`` that match no file.
    """

    root: Path
    main: Document
    included: tuple[Document, ...]
    unmatched: tuple[str, ...]

    @classmethod
    def read(cls, root: Path) -> Bundle:
        """Read databricks.yml and the files that it includes.

        Raises
        ------
        UserError
            When databricks.yml is missing, or a file is no YAML or no mapping.
        """
        if not (root / BUNDLE).is_file():
            raise UserError(
                "This project has no bundle.",
                where=str(root / BUNDLE),
                hint="write one with `retention deploy init`",
            )
        main = _document(root, root / BUNDLE)
        included, unmatched = [], []
        for pattern in as_list(main.content.get("include")):
            paths = sorted(root.glob(str(pattern)))
            included += [_document(root, path) for path in paths]
            unmatched += [] if paths else [str(pattern)]
        return cls(root, main, tuple(included), tuple(unmatched))

    @property
    def documents(self) -> tuple[Document, ...]:
        """All files."""
        return (self.main, *self.included)

    @cached_property
    def jobs(self) -> list[Job]:
        """All jobs of all files."""
        return [
            Job(str(key), as_mapping(content), document.path)
            for document in self.documents
            for key, content in as_mapping(as_mapping(document.content.get("resources")).get("jobs")).items()
        ]

    @cached_property
    def targets(self) -> dict[str, dict[str, Any]]:
        """Targets by name."""
        return {str(k): as_mapping(v) for k, v in as_mapping(self.main.content.get("targets")).items()}

    @cached_property
    def variables(self) -> dict[str, dict[str, Any]]:
        """Declared variables by name."""
        declared: dict[str, dict[str, Any]] = {}
        for document in self.documents:
            declared |= {str(k): as_mapping(v) for k, v in as_mapping(document.content.get("variables")).items()}
        return declared

    def value_of(self, reference: str, target: str) -> str:
        """What a reference stands for in a target; a stand-in where only deployment knows."""
        if reference == "bundle.target":
            return target
        if reference == "bundle.name":
            return str(as_mapping(self.main.content.get("bundle")).get("name", STAND_IN))
        if not reference.startswith("var."):
            return f"{STAND_IN}_{reference.rpartition('.')[2]}"
        name = reference.removeprefix("var.")
        value = as_mapping(self.targets[target].get("variables")).get(name, self.variables.get(name, {}).get("default"))
        if isinstance(value, dict):
            value = value.get("default")
        return f"{STAND_IN}_{name}" if value is None else self.resolved(str(value), target)

    def resolved(self, text: str, target: str) -> str:
        """A text with its references filled in for a target."""
        return REFERENCE.sub(lambda match: self.value_of(match[1], target), text)


def texts_in(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """All texts of a document, keys included, with where they stand."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield place, str(key)
            yield from texts_in(child, f"{place}.{key}".lstrip("."))
    elif isinstance(value, list):
        for number, child in enumerate(value):
            yield from texts_in(child, f"{place}[{number}]")
    elif isinstance(value, str):
        yield place, value


def as_mapping(value: Any) -> dict[Any, Any]:
    """The value where it is a mapping, else an empty one: what else is wrong with it is said by the schema."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """The value where it is a list, else an empty one; as :func:`as_mapping`."""
    return value if isinstance(value, list) else []


def _document(root: Path, path: Path) -> Document:
    with parsed(path, "bundle") as (loader, node):
        content = None if node is None else loader.construct_document(node)
    if not isinstance(content, dict):
        raise UserError(
            "A file of a bundle must hold names and values.", where=str(path), hint="restore it, or remove it"
        )
    return Document(path.relative_to(root), content)
