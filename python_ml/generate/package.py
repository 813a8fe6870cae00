"""The dbt package that generated projects carry along: this project's macros and generic tests."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from python_ml import __version__
from python_ml.ingest.macros import dbt_package_source

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


def package_files() -> dict[str, str]:
    """Read the dbt package that a project carries along.

    Returns
    -------
    dict of str to str
        Text by path relative to the project.
    """
    source, target = dbt_package_source(), Path("packages") / PACKAGE
    files = {(target / "dbt_project.yml").as_posix(): _MANIFEST}
    for part in ("macros", "tests/generic"):
        for path in sorted((source / part).rglob("*")):
            if path.suffix in _KEPT and path.is_file():
                files[(target / path.relative_to(source)).as_posix()] = path.read_text(encoding="utf-8")
    return files


def install_package(project: Path) -> None:
    """Put the package of a project where ``dbt deps`` would; one that is there stays."""
    target, installed = project / "packages" / PACKAGE, project / "dbt_packages" / PACKAGE
    if installed.exists() or not target.is_dir():
        return
    installed.unlink(missing_ok=True)  # a link that leads nowhere
    installed.parent.mkdir(exist_ok=True)
    try:
        installed.symlink_to(Path(os.path.relpath(target, installed.parent)), target_is_directory=True)
    except OSError:
        # Windows without the right to make links
        shutil.copytree(target, installed)
