"""From examined files to a project folder: written, proposed again, generated again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from python_ml.errors import UserError
from python_ml.files import read_json, write_text
from python_ml.generate.examination import Examination
from python_ml.generate.layout import PROFILE, PROPOSED
from python_ml.generate.package import package_files
from python_ml.generate.render import render
from python_ml.generate.writing import Written, check_folder, create, refuse_outside, renew
from python_ml.plan import Planned, Recommendations, propose
from python_ml.plan.recommendations import FILE

VERSION = 2


@dataclass(frozen=True)
class Changes:
    """What profiling again changed, by id of the recommendation."""

    new: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def create_project(
    folder: Path, examination: Examination, recommendations: Recommendations, converted: Path | None = None
) -> tuple[list[str], Planned, Recommendations]:
    """Write a new project: generated files, the stored profile, recommendations.

    Parameters
    ----------
    converted : Path, optional
        Folder with converted files; the project keeps copies of them.

    Returns
    -------
    list of str
        Files that were written, without those of the dbt package.
    Planned
    Recommendations
        With their status after generating.

    Raises
    ------
    UserError
        When the folder exists and is not empty, or cannot be written.
    """
    check_folder(folder)
    planned = examination.planned(recommendations)
    recommendations = recommendations.with_applied(planned.applied)
    files = {**render(planned.plan, examination.profile, recommendations), **package_files()}
    own = {
        FILE: recommendations.to_yaml(),
        PROFILE.as_posix(): _to_json(examination),
        PROPOSED.as_posix(): _proposed(Recommendations(propose(examination.facts))),
    }
    raw = {path.stem: path for path in sorted(converted.iterdir())} if converted and converted.is_dir() else {}
    return create(folder, files, own, raw), planned, recommendations


def read_examination(folder: Path) -> Examination:
    """Read the stored profile of a project.

    Raises
    ------
    UserError
        When there is none, or it cannot be read.
    """
    path = folder / PROFILE
    if not path.is_file():
        raise UserError(
            "This project has no stored profile: `retention init` did not write it, or the file is gone.",
            where=str(path),
            hint="run the command in a project that `retention init` wrote, or write the project again with it",
        )
    hint = "undo the edit (the file is not for editing), or write the project again with `retention init`"
    try:
        data = read_json(path, "stored profile", hint)
        if data["version"] != VERSION:
            raise ValueError(f"it has version {data['version']}, this program knows {VERSION}")
        return _from_json(data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"The stored profile cannot be read: {str(error).splitlines()[0]}.",
            where=str(path),
            hint=hint,
        ) from error


def _to_json(examination: Examination) -> str:
    from pydantic import TypeAdapter

    paths = examination.paths
    tables = tuple(
        replace(t, table=replace(t.table, path=Path(paths[t.name]), relation="", view="", converted=None))
        for t in examination.profile.tables
    )
    stored = replace(examination, profile=replace(examination.profile, tables=tables))
    data = {"version": VERSION, **TypeAdapter(Examination).dump_python(stored, mode="json")}
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _from_json(data: dict[str, Any]) -> Examination:
    from pydantic import TypeAdapter

    return TypeAdapter(Examination).validate_python({k: v for k, v in data.items() if k != "version"})


def recommend_project(
    folder: Path, again: Callable[[Examination], Examination] | None = None
) -> tuple[Recommendations, Changes]:
    """Propose again, and keep what a person decided.

    Parameters
    ----------
    folder : Path
    again : callable, optional
        Examines the raw files again; without it, the stored profile is used.
    """
    refuse_outside(folder, (FILE, PROFILE.as_posix(), PROPOSED.as_posix()))
    examination = read_examination(folder)
    if again is not None:
        examination = again(examination)
    path = folder / FILE
    older = Recommendations.read(path) if path.is_file() else Recommendations()
    proposed = Recommendations(propose(examination.facts))
    merged = proposed.merge(older, _read_proposed(folder))
    if again is not None:
        write_text(folder / PROFILE, _to_json(examination))
    merged.write(path)
    write_text(folder / PROPOSED, _proposed(proposed))
    return merged, Changes(
        new=[a.id for a in merged if a.id not in older],
        vanished=[a.id for a in merged if a.vanished and not older[a.id].vanished],
        gone=[a.id for a in older if a.id not in merged],
    )


def generate_project(folder: Path) -> tuple[Written, Planned, Recommendations]:
    """Generate a project again, as its recommendations are now."""
    examination = read_examination(folder)
    recommendations = Recommendations.read(folder / FILE)
    planned = examination.planned(recommendations)
    recommendations = recommendations.with_applied(planned.applied)
    files = {**render(planned.plan, examination.profile, recommendations), **package_files()}
    written = renew(folder, files)
    recommendations.write(folder / FILE)
    return written, planned, recommendations


def _proposed(recommendations: Recommendations) -> str:
    return json.dumps({a.id: a.parameters for a in recommendations}, indent=1, ensure_ascii=False) + "\n"


def _read_proposed(folder: Path) -> dict[str, dict[str, Any]]:
    hint = "restore the file from version control, or delete it: then every parameter counts as yours"
    try:
        data = read_json(folder / PROPOSED, "list of what was proposed before", hint)
    except FileNotFoundError:
        return {}
    if not isinstance(data, dict) or not all(isinstance(parameters, dict) for parameters in data.values()):
        raise UserError(
            "The list of what was proposed before does not hold recommendations.",
            where=str(folder / PROPOSED),
            hint=hint,
        )
    return data
