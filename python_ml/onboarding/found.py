"""What was found in raw files, kept with the project: all that `recommend` and `generate` need, without the files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from python_ml.errors import UserError
from python_ml.onboarding.specification import ProjectSpec, SourceSpec
from python_ml.onboarding.static import StaticSpec
from python_ml.onboarding.values import SourceValues

VERSION = 1
FILE = Path(".retention") / "findings.json"


@dataclass(frozen=True)
class Found:
    """Findings: every guess in its place, nothing decided by a person yet.

    Attributes
    ----------
    spec : ProjectSpec or StaticSpec
    values : dict of str to SourceValues
        By source.
    told : dict
        What the user said to `init`, to look at the files anew: see :mod:`python_ml.onboarding.looking`.
    """

    spec: ProjectSpec | StaticSpec
    values: dict[str, SourceValues] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def project(self) -> ProjectSpec:
        """Sources and decisions, whatever kind of project it is."""
        return self.spec.project if isinstance(self.spec, StaticSpec) else self.spec

    @property
    def static(self) -> StaticSpec | None:
        """The table with a target, in a project that is made of one."""
        return self.spec if isinstance(self.spec, StaticSpec) else None

    @property
    def data(self) -> tuple[SourceSpec, ...]:
        """The sources that features are made of: all but supplied labels."""
        supplied = self.project.supplied
        labels = supplied.labels.source.name if supplied is not None else None
        return tuple(source for source in self.project.sources if source.name != labels)

    def with_project(self, project: ProjectSpec) -> ProjectSpec | StaticSpec:
        """The specification with another project in it."""
        return replace(self.spec, project=project) if isinstance(self.spec, StaticSpec) else project


def write_found(found: Found) -> str:
    """Write findings as JSON, in a stable order; paths are those that the project knows."""
    project = relocated(found.project, lambda source, file: Path(found.project.paths[source]))
    kind = type(found.spec)
    data = {
        "version": VERSION,
        "kind": kind.__name__,
        "told": found.told,
        "specification": _adapter(kind).dump_python(found.with_project(project), mode="json"),
        "values": _adapter(dict[str, SourceValues]).dump_python(found.values, mode="json"),
    }
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read_found(folder: Path) -> Found:
    """Read the findings of a project.

    Parameters
    ----------
    folder : Path
        Of the project.

    Raises
    ------
    UserError
        When there are none, or they were changed by hand or by another version.
    """
    from pydantic import ValidationError

    path = folder / FILE
    if not path.is_file():
        raise UserError(
            "This project has no findings: `retention init` did not write it, or the file is gone.",
            where=str(path),
            hint="run the command in a project that `retention init` wrote, or write it anew",
        )
    kinds = {kind.__name__: kind for kind in (ProjectSpec, StaticSpec)}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["version"] != VERSION:
            raise ValueError(f"they have version {data['version']}, this program knows {VERSION}")
        text = data["specification"]
        inner = text.get("project", text)
        inner["column_names"] = {tuple(key.split(",", 1)): value for key, value in inner["column_names"].items()}
        spec = _adapter(kinds[data["kind"]]).validate_python(text)
        values = _adapter(dict[str, SourceValues]).validate_python(data["values"])
    except (ValueError, KeyError, AttributeError, TypeError, ValidationError) as error:
        raise UserError(
            f"The findings cannot be read: {str(error).splitlines()[0]}.",
            where=str(path),
            hint="undo the edit (the file is not for editing), or write the project anew with `retention init`",
        ) from error
    found = Found(spec, values, data["told"])
    project = found.project
    raw = Path(project.raw_dir) if Path(project.raw_dir).is_absolute() else folder.resolve() / project.raw_dir
    project = relocated(project, lambda source, file: raw / file)
    project = replace(project, sources=tuple(same_columns(source) for source in project.sources))
    return replace(found, spec=found.with_project(project))


def relocated(project: ProjectSpec, place: Callable[[str, Path], Path]) -> ProjectSpec:
    """The project with its raw files elsewhere."""
    return replace(
        project,
        sources=tuple(
            replace(s, file=replace(s.file, path=place(s.name, s.file.path), relation="")) for s in project.sources
        ),
    )


def same_columns(source: SourceSpec) -> SourceSpec:
    """A source whose customer, time and key are the very objects among its columns, as those who write it rely on."""
    by_name = {column.name: column for column in source.columns}
    parts = {}
    for part in ("entity", "time", "available", "key"):
        held = getattr(source, part)
        parts[part] = by_name.get(held.name, held) if held is not None else None
    return replace(source, **parts)


def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    from python_ml.onboarding import labels, supplied

    adapter = TypeAdapter(kind)
    # Some types are known to the specification by name only.
    adapter.rebuild(force=True, _types_namespace={**vars(supplied), **vars(labels)})
    return adapter
