"""`retention deploy check`: a sound bundle passes, and every wrong name is named."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from python_ml import cli
from python_ml.cli.deploy import command_problem
from python_ml.deploy import bundle_files, check_bundle
from python_ml.deploy.wheel import DISTRIBUTION, ENTRY_POINTS, WHEEL
from python_ml.project import Project

FOLDERS = ("models", "macros", "seeds", "snapshots", "resources", "deploy")
FILES = ("dbt_project.yml", "profiles.yml", "selectors.yml", "retention.yml", "databricks.yml")
WRONG = "wrong_name"


@pytest.fixture(scope="module")
def original(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of this project that a bundle refers to."""
    folder = tmp_path_factory.mktemp("bundle") / "project"
    folder.mkdir()
    for name in FOLDERS:
        shutil.copytree(repository / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(repository / name, folder / name)
    return folder


@pytest.fixture
def bundle(original: Path, tmp_path: Path) -> Path:
    """A copy that a test may change; what it does not change is a link."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("resources", "deploy"):
        shutil.copytree(original / name, folder / name)
    for name in ("models", "macros", "seeds", "snapshots"):
        (folder / name).symlink_to(original / name)
    for name in FILES:
        shutil.copy(original / name, folder / name)
    return folder


def problems_of(folder: Path) -> list[str]:
    """What the check says, line by line."""
    return [str(problem) for problem in check_bundle(Project.open(folder), command_problem)]


def change(path: Path, old: str, new: str) -> None:
    """Replace the first of a text in a file, which must be there."""
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path.name} has no {old!r}"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_bundle_of_this_project_is_sound(bundle: Path) -> None:
    assert problems_of(bundle) == []


def test_the_files_are_those_that_init_writes(repository: Path) -> None:
    for path, text in bundle_files(Project.open(repository)).items():
        assert (repository / path).read_text(encoding="utf-8") == text, path


def test_entry_points_are_those_of_the_wheel(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == ENTRY_POINTS
    assert project["name"] == DISTRIBUTION
    assert WHEEL.split("-")[1] == project["version"]


DAILY, TRAINING = "resources/retention_daily.yml", "resources/retention_training.yml"

# File, what is written in it, what is written instead, and the name that the check must say.
CHANGES = {
    "model in --exclude": (DAILY, "gld_churn_scores_raw+", f"{WRONG}+", WRONG),
    "second model in --exclude": (DAILY, "gld_churn_reasons_raw+", f"{WRONG}+", WRONG),
    "tag": (DAILY, "tag:drift", f"tag:{WRONG}", WRONG),
    "selector": (DAILY, "--exclude", f"--selector {WRONG} --exclude", WRONG),
    "selection method": (DAILY, "tag:drift", f"{WRONG}:drift", WRONG),
    "dbt command": (DAILY, "dbt build", f"dbt {WRONG}", WRONG),
    "dbt option": (DAILY, "--exclude", f"--{WRONG}", WRONG),
    "dbt variable": (DAILY, "databricks_catalog:", f"{WRONG}:", WRONG),
    "dbt variable that is missing": (DAILY, "databricks_catalog:", f"{WRONG}:", "databricks_catalog"),
    "dbt variable of the path": (DAILY, "databricks_http_path:", f"{WRONG}:", "databricks_http_path"),
    "project directory": (DAILY, "project_directory: ${workspace.file_path}", f"project_directory: ./{WRONG}", WRONG),
    "profiles directory": (
        DAILY,
        "profiles_directory: ${workspace.file_path}",
        f"profiles_directory: ./{WRONG}",
        WRONG,
    ),
    "target of dbt": ("databricks.yml", "dbt_target: databricks\n", f"dbt_target: {WRONG}\n", WRONG),
    "target of dbt in production": ("databricks.yml", "dbt_target: databricks_prod", f"dbt_target: {WRONG}", WRONG),
    "target on another engine": ("databricks.yml", "dbt_target: databricks\n", "dbt_target: spark\n", "spark"),
    "target in profiles.yml": ("profiles.yml", "    databricks_prod:", f"    {WRONG}:", "databricks_prod"),
    "variable in a reference": (DAILY, "${var.dbt_target}", "${var." + WRONG + "}", WRONG),
    "variable of the schedule": (DAILY, "${var.schedule_status}", "${var." + WRONG + "}", WRONG),
    "variable of the notification": (DAILY, "${var.notify}", "${var." + WRONG + "}", WRONG),
    "variable of a target": ("databricks.yml", "      catalog: dev", f"      {WRONG}: dev", WRONG),
    "declared variable": ("databricks.yml", "  warehouse_id:\n", f"  {WRONG}:\n", "warehouse_id"),
    "declared variable, unused": ("databricks.yml", "  warehouse_id:\n", f"  {WRONG}:\n", WRONG),
    "built-in reference": (DAILY, "${workspace.host}", "${workspace." + WRONG + "}", WRONG),
    "path of the workspace": (DAILY, "--project-dir=${workspace.file_path}", f"--project-dir={WRONG}", WRONG),
    "included file": ("databricks.yml", "resources/*.yml", f"{WRONG}/*.yml", WRONG),
    "artifact folder": ("databricks.yml", "    path: .", f"    path: {WRONG}", WRONG),
    "artifact field": ("databricks.yml", "    build:", f"    {WRONG}:", WRONG),
    "target field": ("databricks.yml", "    mode: development", f"    {WRONG}: development", WRONG),
    "mode": ("databricks.yml", "mode: production", f"mode: {WRONG}", WRONG),
    "no run_as": ("databricks.yml", "    run_as:\n", f"    {WRONG}:\n", "run_as"),
    "workspace field": ("databricks.yml", "      root_path:", f"      {WRONG}:", WRONG),
    "same tables": ("databricks.yml", "dbt_target: databricks\n", "dbt_target: databricks_prod\n", "production"),
    "schedule in development": ("databricks.yml", "default: PAUSED", "default: UNPAUSED", "pause_status"),
    "schedule status": ("databricks.yml", "schedule_status: UNPAUSED", f"schedule_status: {WRONG}", WRONG),
    "entry point": (DAILY, "entry_point: retention_job", f"entry_point: {WRONG}", WRONG),
    "package": (DAILY, "package_name: customer_retention", f"package_name: {WRONG}", WRONG),
    "command": (DAILY, "              - act\n", f"              - {WRONG}\n", WRONG),
    "option of a command": (DAILY, "- --target=", f"- --{WRONG}=", WRONG),
    "environment variable": (DAILY, "DATABRICKS_HTTP_PATH=", f"{WRONG}=", WRONG),
    "environment variable that is missing": (DAILY, "DATABRICKS_HTTP_PATH=", f"{WRONG}=", "DATABRICKS_HTTP_PATH"),
    "environment variable of production": (DAILY, "DATABRICKS_PROD_CATALOG=", f"{WRONG}=", "DATABRICKS_PROD_CATALOG"),
    "registry": (DAILY, "MLFLOW_REGISTRY_URI=databricks-uc", f"MLFLOW_REGISTRY_URI={WRONG}", WRONG),
    "tracking": (DAILY, "MLFLOW_TRACKING_URI=", f"{WRONG}=", "MLFLOW_TRACKING_URI"),
    "registered model": (DAILY, "${var.catalog}.${var.schema}.customer", f"{WRONG}", WRONG),
    "secret variable": (DAILY, "DATABRICKS_CLIENT_ID=", f"{WRONG}=", WRONG),
    "secret without scope": (DAILY, "${var.secret_scope}/client_id", WRONG, WRONG),
    "task dependency": (DAILY, "[{task_key: score}]", "[{task_key: " + WRONG + "}]", WRONG),
    "task that others wait for": (DAILY, "- task_key: score", f"- task_key: {WRONG}", "score"),
    "circle": (DAILY, "[{task_key: build}]", "[{task_key: monitor}]", "act"),
    "environment key of a task": (
        DAILY,
        "          environment_key: retention\n",
        f"          environment_key: {WRONG}\n",
        WRONG,
    ),
    "environment key": (DAILY, "- environment_key: retention", f"- environment_key: {WRONG}", "retention"),
    "requirements": (DAILY, "deploy/serverless-5.txt", f"deploy/{WRONG}.txt", WRONG),
    "wheel of another version": (
        DAILY,
        f"../dist/{WHEEL}",
        "../dist/customer_retention-9.9.9-py3-none-any.whl",
        "9.9.9",
    ),
    "wheel that is not pinned": (DAILY, f"../dist/{WHEEL}", "../dist/*.whl", "*.whl"),
    "folder of the wheel": (DAILY, f"../dist/{WHEEL}", f"../{WRONG}/{WHEEL}", WRONG),
    "wheel of the Python models": (DAILY, f".internal/{WHEEL}", f".internal/{WRONG}.whl", WRONG),
    "requirement that is not pinned": ("deploy/serverless-5.txt", "xgboost==3.2.0", "xgboost", "xgboost"),
    "requirement that is none": ("deploy/serverless-5.txt", "xgboost==3.2.0", "xgboost=", "xgboost="),
    "field of a job": (DAILY, "      max_concurrent_runs:", f"      {WRONG}:", WRONG),
    "field of a task": (DAILY, "          max_retries:", f"          {WRONG}:", WRONG),
    "field of work": (DAILY, "            entry_point:", f"            {WRONG}:", WRONG),
    "field of a schedule": (DAILY, "        timezone_id:", f"        {WRONG}:", WRONG),
    "part of the bundle": ("databricks.yml", "artifacts:", f"{WRONG}:", WRONG),
    "kind of resource": (TRAINING, "  jobs:\n", f"  {WRONG}:\n", WRONG),
    "no time-out": (DAILY, "          timeout_seconds: 3600\n", "", "timeout_seconds"),
    "command in training": (TRAINING, "              - train\n", f"              - {WRONG}\n", WRONG),
    "secret field": (
        "databricks.yml",
        "mode: production",
        "mode: production\n    client_secret: hunter2",
        "client_secret",
    ),
    "token": ("profiles.yml", "auth_type: oauth", "auth_type: dapi" + 32 * "a", "dapi"),
}


@pytest.mark.parametrize("change_name", CHANGES)
def test_a_wrong_name_is_named(bundle: Path, change_name: str) -> None:
    file, old, new, name = CHANGES[change_name]
    change(bundle / file, old, new)
    found = problems_of(bundle)
    assert any(name in line for line in found), "\n".join(found) or "nothing was found"


def test_every_reference_is_covered(bundle: Path) -> None:
    """Each ``${…}`` of each file, replaced one by one, is found by its name."""
    for path in (bundle / "databricks.yml", *sorted((bundle / "resources").glob("*.yml"))):
        text = path.read_text(encoding="utf-8")
        for match in re.finditer(r"\$\{(var|workspace|bundle)\.[\w.]+\}", text):
            path.write_text(text[: match.start()] + "${" + match[1] + "." + WRONG + "}" + text[match.end() :])
            assert any(WRONG in line for line in problems_of(bundle)), f"{path.name}: {match[0]}"
        path.write_text(text)


@pytest.mark.parametrize("model", ["gld_churn_scores_raw.py", "gld_churn_reasons_raw.py"])
def test_a_model_that_was_renamed_is_named(bundle: Path, original: Path, model: str) -> None:
    (bundle / "models").unlink()
    shutil.copytree(original / "models", bundle / "models")
    (bundle / "models" / "gold" / model).rename(bundle / "models" / "gold" / "gld_renamed.py")
    assert any(f"`{Path(model).stem}`" in line for line in problems_of(bundle))


def test_files_of_tasks_are_looked_for(bundle: Path) -> None:
    daily = yaml.safe_load((bundle / DAILY).read_text())
    tasks = daily["resources"]["jobs"]["retention_daily"]["tasks"]
    tasks[1].pop("python_wheel_task")
    tasks[1]["notebook_task"] = {"notebook_path": "../notebooks/lost_notebook.ipynb"}
    (bundle / DAILY).write_text(yaml.safe_dump(daily))
    assert any("lost_notebook" in line for line in problems_of(bundle))


def test_the_command_ends_with_2_and_names_the_file(bundle: Path) -> None:
    change(bundle / DAILY, "gld_churn_scores_raw+", f"{WRONG}+")
    runner = CliRunner()
    sound = runner.invoke(cli.retention, ["deploy", "check", "--project-dir", str(bundle.parent / "nowhere")])
    assert sound.exit_code != 0
    result = runner.invoke(cli.retention, ["deploy", "check", "--project-dir", str(bundle)])
    assert result.exception.exit_code == 2
    assert WRONG in str(result.exception)
    assert DAILY in str(result.exception)


def test_init_keeps_files_unless_forced(bundle: Path) -> None:
    runner = CliRunner()
    result = runner.invoke(cli.retention, ["deploy", "init", "--project-dir", str(bundle)])
    assert result.exception.exit_code == 2
    assert "databricks.yml" in str(result.exception)
    assert runner.invoke(cli.retention, ["deploy", "init", "--force", "--project-dir", str(bundle)]).exit_code == 0
    # This copy has no source, so its wheel is the released one.
    assert f"{DISTRIBUTION}==" in (bundle / "databricks.yml").read_text()
    assert problems_of(bundle) == []
