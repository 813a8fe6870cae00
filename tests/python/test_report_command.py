"""``retention report``: reading a project, writing the page, and the page in a browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from python_ml.errors import UserError
from python_ml.project import Project
from python_ml.report import ReportInputs, load_inputs, render_report, write_report
from tests.python.report_world import SECTIONS, Page, hostile_inputs, make_project, synthetic_inputs

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def inputs() -> ReportInputs:
    return synthetic_inputs()


def test_a_failure_leaves_the_old_page(tmp_path: Path, inputs: ReportInputs) -> None:
    path = write_report(inputs, tmp_path / "reports" / "index.html")
    before = path.read_bytes()
    with pytest.raises(AttributeError):
        write_report(replace(inputs, metrics=["no object"]), path)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["index.html"]


@pytest.fixture
def project_dir(tmp_path: Path, inputs: ReportInputs, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("RETENTION_DUCKDB_PATH", "MLFLOW_TRACKING_URI", "RETENTION_PROJECT_DIR"):
        monkeypatch.delenv(name, raising=False)
    return make_project(tmp_path / "shop", inputs)


def test_a_project_is_read_into_inputs(project_dir: Path, inputs: ReportInputs) -> None:
    loaded = load_inputs(Project.open(project_dir))
    assert len(loaded.scores) == len(inputs.scores)
    assert len(loaded.reasons) == 75
    assert loaded.outcomes.iloc[0].tolist() == [inputs.outcomes["feature_timestamp"].iloc[0], 3, 3, 1]
    assert loaded.outcomes.iloc[-1].tolist()[1:] == [3, 0, 0]
    assert loaded.scoring["customers"].tolist() == [1500]
    assert loaded.feature_descriptions == {"orders_count_30d": "Orders in 30 days."}
    assert loaded.docs_link == "../target/index.html"
    assert loaded.tracking_uri == "sqlite:///mlflow.db"
    assert loaded.selection == {"metric": "roc_auc", "tolerance": 0.002}
    assert len(re.findall(r"C\d{5}", Page(render_report(loaded)).text)) == 50


def test_the_name_of_the_key_may_be_anything(tmp_path: Path, project_dir: Path, inputs: ReportInputs) -> None:
    name = 'Customer "ID" {no}, it\'s'
    frames = {
        part: getattr(inputs, part).rename(columns={"customer_id": name}) for part in ("scores", "reasons", "actions")
    }
    folder = make_project(tmp_path / "odd", replace(inputs, entity=name, **frames))
    loaded = load_inputs(Project.open(folder))
    assert (len(loaded.scores), len(loaded.reasons)) == (len(inputs.scores), len(inputs.reasons))
    assert name in Page(render_report(loaded)).text


def test_the_command_writes_the_page_and_says_where(project_dir: Path) -> None:
    from python_ml.cli.report import command

    path = project_dir / "reports" / "index.html"
    result = CliRunner().invoke(command, ["--project-dir", str(project_dir)], catch_exceptions=False)
    assert result.exit_code == 0
    assert str(path) in result.stdout
    assert "Model performance" in path.read_text(encoding="utf-8")
    result = CliRunner().invoke(command, ["--project-dir", str(project_dir), "--json"], catch_exceptions=False)
    assert json.loads(result.stdout) == {"report": str(path)}


@pytest.mark.parametrize(
    ("content", "expected"),
    [(None, "no metrics yet"), ("{", "cannot be read"), ("[1]", "does not hold an object")],
)
def test_without_metrics_the_command_says_what_to_run(project_dir: Path, content: str | None, expected: str) -> None:
    from python_ml.cli.report import command

    path = project_dir / "reports" / "metrics.json"
    path.unlink() if content is None else path.write_text(content)
    error = CliRunner().invoke(command, ["--project-dir", str(project_dir)]).exception
    assert isinstance(error, UserError)
    assert error.exit_code == 2
    assert expected in error.what
    assert "retention train" in error.hint


def test_a_broken_file_is_named(project_dir: Path) -> None:
    (project_dir / "reports" / "predictions.parquet").write_bytes(b"no parquet")
    with pytest.raises(UserError, match=r"predictions\.parquet cannot be read"):
        load_inputs(Project.open(project_dir))


def test_a_bare_warehouse_is_enough(project_dir: Path) -> None:
    import duckdb

    (project_dir / "warehouse.duckdb").unlink()
    duckdb.connect(str(project_dir / "warehouse.duckdb")).close()
    (project_dir / "target" / "manifest.json").unlink()
    loaded = load_inputs(Project.open(project_dir))
    assert loaded.scores is None
    assert loaded.outcomes is None
    assert "No customer has been scored yet" in render_report(loaded)


# --- in a browser --------------------------------------------------------------------------------------------


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("make", [synthetic_inputs, hostile_inputs])
def test_a_browser_shows_it_without_a_complaint(tmp_path: Path, make: Callable[[], ReportInputs]) -> None:
    path = write_report(make(), tmp_path / "index.html")
    shown = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--dump-dom", path.as_uri()],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert "CONSOLE" not in shown.stderr
    page = Page(shown.stdout)
    assert [tag["id"] for name, tag in page.tags if name == "section"] == list(SECTIONS)
    assert sum(tag == "path" for tag, _ in page.tags) > 10
    assert "<script" not in shown.stdout
