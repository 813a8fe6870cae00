"""The files of a bundle, from templates."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from python_ml import __version__
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
    import jinja2

    environment = jinja2.Environment(  # noqa: S701 - YAML, not HTML
        variable_start_string="[[",
        variable_end_string="]]",
        block_start_string="[%",
        block_end_string="%]",
        comment_start_string="[#",
        comment_end_string="#]",
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    requirement = f"{DISTRIBUTION}=={__version__}"
    source = "." if has_source(project.root) else requirement
    facts = {
        "project": project.name,
        "has_packages": (project.root / "packages.yml").is_file(),
        "wheel": WHEEL,
        "build": f"pip wheel --no-deps --wheel-dir dist {source}",
    }
    folder = files("python_ml.deploy") / "templates"
    return {
        path: environment.from_string(folder.joinpath(*Path(path).parts).read_text(encoding="utf-8")).render(facts)
        for path in FILES
    }


def has_source(root: Path) -> bool:
    """Whether a folder has the source of this package."""
    return (root / "python_ml" / "__init__.py").is_file() and (root / "pyproject.toml").is_file()
