"""Findings and recommendations in a project's folder: created, looked at again, generated again."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.errors import UserError
from python_ml.onboarding import found as stored
from python_ml.onboarding.package import package_files
from python_ml.onboarding.writing import Written, check_folder, create, renew
from python_ml.recommendations.builder import Recommendations
from python_ml.recommendations.obeying import Obeyed, obey
from python_ml.recommendations.storage import FILE

if TYPE_CHECKING:
    from collections.abc import Callable

    from python_ml.onboarding.found import Found

PROPOSED = Path(".retention") / "proposed.json"


@dataclass(frozen=True)
class Changes:
    """What looking again changed, by id."""

    new: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def render_project(found: Found, recommendations: Recommendations) -> tuple[dict[str, str], Obeyed]:
    """Make every generated file of a project: a function of the findings and the recommendations alone.

    Returns
    -------
    files : dict of str to str
        Text by path relative to the project.
    obeyed : Obeyed
    """
    from python_ml.onboarding import findings, static_findings
    from python_ml.onboarding.generation import render
    from python_ml.onboarding.pipeline_page import pipeline_page
    from python_ml.onboarding.static_files import render_static

    obeyed = obey(found, recommendations)
    files = render_static(obeyed.spec) if found.static else render(obeyed.spec)
    files["findings.yaml"] = (
        static_findings.findings_yaml(found.static) if found.static else findings.findings_yaml(found.spec)
    )
    files["docs/pipeline.md"] = pipeline_page(obeyed.spec, found, obeyed.recommendations)
    return {**files, **package_files()}, obeyed


def create_project(folder: Path, found: Found, recommendations: Recommendations) -> tuple[list[str], Obeyed]:
    """Write a new project: generated files, findings, recommendations.

    Returns
    -------
    written : list of str
        Without what lies in ``packages`` and ``.retention``.
    obeyed : Obeyed

    Raises
    ------
    UserError
        See :func:`python_ml.onboarding.writing.create`.
    """
    check_folder(folder)
    files, obeyed = render_project(found, recommendations)
    own = {
        FILE: obeyed.recommendations.to_yaml(),
        stored.FILE.as_posix(): stored.write_found(found),
        PROPOSED.as_posix(): _proposed(Recommendations.from_findings(found)),
    }
    return create(folder, files, own), obeyed


def read_project(folder: Path) -> tuple[Found, Recommendations]:
    """Read the findings and the recommendations of a project.

    Raises
    ------
    UserError
        When one of them is missing or was edited so that it cannot be read.
    """
    return stored.read_found(folder), Recommendations.read(folder / FILE)


def recommend_project(folder: Path, *, look: Callable[[Found], Found] | None = None) -> tuple[Recommendations, Changes]:
    """Propose anew, and keep what a person decided; writes findings (where looked again) and recommendations.

    Parameters
    ----------
    folder : Path
        Of the project.
    look : callable, optional
        Looks at the raw files again; by default the stored findings stand.
    """
    found = stored.read_found(folder)
    if look is not None:
        found = look(found)
    path = folder / FILE
    older = Recommendations.read(path) if path.is_file() else Recommendations()
    proposed = Recommendations.from_findings(found)
    merged = proposed.merge(older, _read_proposed(folder))
    if look is not None:
        (folder / stored.FILE).write_text(stored.write_found(found), encoding="utf-8", newline="\n")
    merged.write(path)
    (folder / PROPOSED).write_text(_proposed(proposed), encoding="utf-8", newline="\n")
    return merged, Changes(
        new=[entry.id for entry in merged if entry.id not in older],
        vanished=[p.id for p in merged if p.vanished and not older[p.id].vanished],
        gone=[entry.id for entry in older if entry.id not in merged],
    )


def generate_project(folder: Path) -> tuple[Written, Obeyed]:
    """Generate a project again, as its recommendations say now.

    Files that a person edited stay; see :func:`python_ml.onboarding.writing.renew`. What was accepted and can be seen
    in the code becomes ``applied``.
    """
    found, recommendations = read_project(folder)
    files, obeyed = render_project(found, recommendations)
    written = renew(folder, files)
    obeyed.recommendations.write(folder / FILE)
    return written, obeyed


def _proposed(recommendations: Recommendations) -> str:
    return json.dumps({entry.id: entry.parameters for entry in recommendations}, indent=1, ensure_ascii=False) + "\n"


def _read_proposed(folder: Path) -> dict[str, dict[str, Any]]:
    path = folder / PROPOSED
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(
            f"What was proposed before cannot be read: {error}.",
            where=str(path),
            hint="bring the file back from version control, or delete it: then every parameter counts as yours",
        ) from error
    return data if isinstance(data, dict) else {}
