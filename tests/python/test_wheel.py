"""What an installation from a wheel brings along."""

from __future__ import annotations

import subprocess
import sys
import zipfile


def test_the_wheel_carries_the_dbt_package_and_every_template(repository, tmp_path):
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", tmp_path, "."],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("customer_retention-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())

    def inside(folder: str, prefix: str) -> set[str]:
        files = (path for path in (repository / folder).rglob("*") if path.is_file() and path.suffix != ".pyc")
        return {prefix + path.relative_to(repository / folder).as_posix() for path in files}

    assert inside("macros", "python_ml/_dbt_package/macros/") <= names
    assert inside("tests/generic", "python_ml/_dbt_package/tests/generic/") <= names
    assert inside("python_ml", "python_ml/") <= names
    assert not {name for name in names if name.startswith(("tests/", "models/", "seeds/"))}
