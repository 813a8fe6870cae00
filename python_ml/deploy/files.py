"""The files of a bundle, from templates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from python_ml import __version__
from python_ml.bracket_templates import bracket_environment
from python_ml.deploy.wheel import DISTRIBUTION, WHEEL

if TYPE_CHECKING:
    from python_ml.project import Project

BUNDLE, RESOURCES = "databricks.yml", "resources"
FILES = (
    BUNDLE,
    f"{RESOURCES}/retention_daily.yml",
    f"{RESOURCES}/retention_training.yml",
    "deploy/serverless-5.txt",
    "deploy/runtime-18-lts-ml.txt",
)


def bundle_files(project: Project) -> dict[str, str]:
    """The files of a bundle for a project.

    Parameters
    ----------
    project : Project
        One that has the source of this package builds the wheel from it; others take the released one.

    Returns
    -------
    dict of str to str
        Text by path relative to the project.
    """
    requirement = f"{DISTRIBUTION}=={__version__}"
    source = "." if has_source(project.root) else requirement
    facts = {
        "project": project.name,
        "has_packages": (project.root / "packages.yml").is_file(),
        "wheel": WHEEL,
        "build": f"pip wheel --no-deps --wheel-dir dist {source}",
    }
    templates = bracket_environment("python_ml.deploy")
    return {path: templates.get_template(path).render(facts) for path in FILES}


def has_source(root: Path) -> bool:
    """Whether a folder has the source of this package."""
    return (root / "python_ml" / "__init__.py").is_file() and (root / "pyproject.toml").is_file()
