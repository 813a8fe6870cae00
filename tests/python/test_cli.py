"""The command line as such: quick, lazy, and clear about mistakes."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from python_ml.cli import COMMANDS, retention
from python_ml.project import nearest_root
from tests.python.command_line import command_here


def test_help_imports_nothing_heavy():
    heavy = ["pandas", "numpy", "duckdb", "sklearn", "mlflow", "dbt", "matplotlib", "shap"]
    code = (
        "import sys; sys.argv = ['retention', '--help']\n"
        "from python_ml.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        f"loaded = [name for name in {heavy} if name in sys.modules]\n"
        "assert not loaded, loaded\n"
    )
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    assert all(name in outcome.stdout for name in COMMANDS)


def commands() -> dict[str, click.Command]:
    """Every command, those of groups as ``group command``."""
    result = {}
    for name in COMMANDS:
        command = retention.get_command(click.Context(retention), name)
        subcommands = command.commands if isinstance(command, click.Group) else {"": command}
        result |= {f"{name} {below}".strip(): inner for below, inner in subcommands.items()}
    return result


def options(command: click.Command) -> dict[str, click.Option]:
    """The options of a command by each of their spellings."""
    return {spelling: p for p in command.params if isinstance(p, click.Option) for spelling in p.opts}


WITHOUT_PROJECT = {"init", "profile", "simulate"}


@pytest.mark.parametrize(("name", "command"), commands().items(), ids=list(commands()))
def test_commands_share_their_options(name, command):
    found = options(command)
    assert found["--json"].is_flag
    assert ("--project-dir" in found) == ("--target" in found) == (name not in WITHOUT_PROJECT)
    if name not in WITHOUT_PROJECT:
        assert "the nearest parent" in found["--project-dir"].help
        assert "profiles.yml" in found["--target"].help
    if "--outcome" in found:
        assert found["--outcome"].opts == ["--outcome"]
    assert all(option.help for option in found.values())


@pytest.mark.parametrize(("name", "command"), commands().items(), ids=list(commands()))
def test_the_help_of_a_command_teaches(name, command):
    for part in ("Reads ", "Writes ", "Exit codes: 0 ", "2 invalid input or usage", "Example", f"retention {name}"):
        assert part in command.help, part
    assert command.name == name.split()[-1]


def test_the_list_of_commands_repeats_their_help():
    for name, (_, line) in COMMANDS.items():
        command = retention.get_command(click.Context(retention), name)
        assert command.help.splitlines()[0] == line


def test_a_project_is_found_from_a_folder_inside_it(tmp_path, monkeypatch):
    (tmp_path / "dbt_project.yml").write_text("name: empty\n")
    (tmp_path / "models" / "gold").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "models" / "gold")
    assert nearest_root() == tmp_path
    monkeypatch.chdir(tmp_path)
    assert nearest_root().absolute() == tmp_path


@pytest.mark.parametrize("name", ["generate", "recommend", "build", "report"])
def test_an_unknown_target_is_a_users_mistake(name, tmp_path):
    (tmp_path / "dbt_project.yml").write_text("name: shop\nprofile: shop\n")
    (tmp_path / "profiles.yml").write_text("shop: {target: dev, outputs: {dev: {type: duckdb}}}\n")
    outcome = command_here(tmp_path, name, "--target", "nonsense")
    assert outcome.returncode == 2
    assert "There is no target nonsense" in outcome.stderr
    assert "choose one of dev" in outcome.stderr


def test_an_unknown_command_is_a_users_mistake():
    words = [sys.executable, "-m", "python_ml", "leave"]
    outcome = subprocess.run(words, capture_output=True, text=True, check=False)
    assert outcome.returncode == 2
    assert "No such command" in outcome.stderr


@pytest.mark.parametrize("name", ["run", "build", "train", "score", "act", "report", "replay"])
def test_a_folder_without_a_project_is_explained(name, tmp_path):
    outcome = command_here(tmp_path.parent, name, "--project-dir", str(tmp_path))
    assert outcome.returncode == 2
    assert "not a dbt project" in outcome.stderr
    assert "retention init" in outcome.stderr
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize("name", ["train", "report", "replay"])
def test_a_project_that_was_not_built_is_explained(name, tmp_path):
    (tmp_path / "dbt_project.yml").write_text("name: empty\nvars: {entity: customer_id}\n")
    outcome = command_here(tmp_path, name)
    assert outcome.returncode == 2
    assert "hint:" in outcome.stderr
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"name: [unclosed\n", "not valid YAML"),
        (b"vars: {observation_end: 2024-13-45}\n", "not valid YAML"),
        (b"name: \xff\n", "not valid YAML"),
        (b"name: " + 3_000 * b"[", "not valid YAML"),
        (b"- name: shop\n", "holds no settings"),
        (b"shop\n", "holds no settings"),
    ],
)
def test_a_broken_project_file_is_explained(tmp_path, text, said):
    (tmp_path / "dbt_project.yml").write_bytes(text)
    outcome = command_here(tmp_path, "build")
    assert outcome.returncode == 2
    assert said in outcome.stderr
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("shop: [unclosed\n", "profiles are not valid YAML"),
        ("- shop\n", "no target default"),
        ("shop: lake\n", "no target default"),
        ("shop: {outputs: [lake]}\n", "no target default"),
    ],
)
def test_broken_profiles_are_explained(tmp_path, text, said):
    (tmp_path / "dbt_project.yml").write_text("name: shop\nprofile: shop\n")
    (tmp_path / "profiles.yml").write_text(text)
    outcome = command_here(tmp_path, "snapshot", "list")
    assert outcome.returncode == 2
    assert said in outcome.stderr
    assert "profiles.yml" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_build_installs_the_packages_of_a_fresh_clone(tmp_path):
    """As after `git clone`, which brings no `dbt_packages`."""
    profile = "shop: {target: dev, outputs: {dev: {type: duckdb, path: warehouse.duckdb}}}\n"
    files = {
        "dbt_project.yml": "name: shop\nversion: 1.0.0\nprofile: shop\nmodel-paths: [models]\n",
        "profiles.yml": profile,
        "packages.yml": "packages: [{local: packages/corner}]\n",
        "models/orders.sql": "select {{ corner.one() }} as n\n",
        "packages/corner/dbt_project.yml": "name: corner\nversion: 1.0.0\n",
        "packages/corner/macros/one.sql": "{% macro one() %}1{% endmacro %}\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    outcome = command_here(tmp_path, "build")
    assert outcome.returncode == 0, outcome.stderr
    assert (tmp_path / "dbt_packages" / "corner" / "dbt_project.yml").is_file()
    assert (tmp_path / "target" / "run_results.json").is_file()
