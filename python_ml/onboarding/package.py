"""The dbt package that generated projects carry along: this project's macros and generic tests."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import python_ml
from python_ml import __version__
from python_ml.errors import RetentionError

PACKAGE = "customer_retention"
_KEPT = (".sql", ".yml", ".md")

_MANIFEST = f"""\
# The macros and tests of the customer-retention distribution, version {__version__}, as `retention init` copied them.
# Plain dbt uses them: a project does not need Python to build its features.
name: {PACKAGE}
version: {__version__}
config-version: 2
require-dbt-version: [">=1.11.0", "<1.12.0"]

macro-paths: [macros]
test-paths: [tests]
"""


def dbt_package_source() -> Path:
    """Find the folder that holds ``macros`` and ``tests/generic``.

    In an installed wheel it lies inside the Python package, in a checkout it is the repository's root.

    Raises
    ------
    RetentionError
        When neither is there: a broken installation.
    """
    inside = Path(python_ml.__file__).resolve().parent
    for folder in (inside / "_dbt_package", inside.parent):
        if (folder / "macros" / "temporal" / "window_features.sql").is_file():
            return folder
    raise RetentionError(
        "The dbt macros are missing from this installation.",
        where=str(inside / "_dbt_package"),
        mend="install customer-retention again",
    )


def carry_package(project: Path) -> list[Path]:
    """Copy the dbt package into a project, and put it where ``dbt deps`` would.

    Parameters
    ----------
    project : Path
        Folder of the project.

    Returns
    -------
    list of Path
        Written files, without those below ``dbt_packages``.
    """
    source = dbt_package_source()
    target = project / "packages" / PACKAGE
    written = []
    for part in ("macros", "tests/generic"):
        for path in sorted((source / part).rglob("*")):
            if path.suffix in _KEPT and path.is_file():
                copy = target / path.relative_to(source)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
                written.append(copy)
    manifest = target / "dbt_project.yml"
    manifest.write_text(_MANIFEST, encoding="utf-8")
    installed = project / "dbt_packages" / PACKAGE
    installed.parent.mkdir(exist_ok=True)
    try:
        installed.symlink_to(Path(os.path.relpath(target, installed.parent)), target_is_directory=True)
    except OSError:
        # Windows without the right to make links
        shutil.copytree(target, installed)
    return [*written, manifest]
