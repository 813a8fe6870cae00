"""The dbt unit tests of the fixture project: one edge each, written as rows that a reader can check by eye."""

from __future__ import annotations

from pathlib import Path

from dbt.cli.main import dbtRunner

from .engine import FIXTURE


def test_every_unit_test_passes(tmp_path: Path) -> None:
    """Builds the empty inputs and the models over them in memory, with the unit tests in between."""
    result = dbtRunner().invoke(
        [
            "build", "--project-dir", str(FIXTURE), "--profiles-dir", str(FIXTURE),
            "--target-path", str(tmp_path / "target"), "--log-path", str(tmp_path / "logs"), "--quiet",
        ]
    )  # fmt: skip
    assert result.exception is None, result.exception
    wrong = [f"{one.node.name}: {one.message}" for one in result.result if one.status not in ("pass", "success")]
    assert not wrong, "\n".join(wrong)
    unit_tests = [one for one in result.result if one.node.resource_type == "unit_test"]
    assert len(unit_tests) >= 19
