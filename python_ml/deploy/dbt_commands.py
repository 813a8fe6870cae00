"""Commands of dbt as tasks write them: parsed, and compared with what the project has."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from python_ml.deploy.bundle import as_list, as_mapping
from python_ml.warehouse import DATABRICKS
from python_ml.yaml_io import parsed

# Options by command: those with a value, and those without.
_SHARED = {"--target", "-t", "--profiles-dir", "--project-dir", "--vars", "--threads", "--profile", "--target-path"}
_SELECTION = {
    "--select",
    "-s",
    "--exclude",
    "--selector",
    "--indirect-selection",
    "--resource-type",
    "--exclude-resource-type",
}
_SWITCHES = {
    "--full-refresh",
    "--fail-fast",
    "-x",
    "--no-partial-parse",
    "--quiet",
    "-q",
    "--no-version-check",
    "--debug",
}
_COMMANDS = {
    "deps": _SHARED,
    "parse": _SHARED,
    "debug": _SHARED,
    "run-operation": _SHARED | {"--args"},
    **dict.fromkeys(
        ("build", "run", "test", "seed", "snapshot", "compile", "list", "ls", "docs", "source"), _SHARED | _SELECTION
    ),
}
_LISTS = {"--select", "-s", "--exclude", "--resource-type", "--exclude-resource-type"}
_METHODS = {
    "access", "config", "exposure", "file", "fqn", "group", "metric", "package", "path", "resource_type", "result",
    "saved_query", "selector", "semantic_model", "source", "source_status", "state", "tag", "test_name", "test_type",
    "unit_test", "version",
}  # fmt: skip


@dataclass(frozen=True)
class DbtCommand:
    """A command, taken apart: its ``options`` have the values by name, ``flaws`` are (name, problem)."""

    name: str
    options: dict[str, list[str]]
    flaws: tuple[tuple[str, str], ...]

    @property
    def target(self) -> str | None:
        """The target that it names."""
        return next(iter(self.options.get("--target", self.options.get("-t", []))), None)

    @property
    def variables(self) -> dict[str, Any]:
        """What ``--vars`` sets, as far as it can be read."""
        return {key: value for text in self.options.get("--vars", []) for key, value in as_mapping(_yaml(text)).items()}


def parse_command(text: str) -> DbtCommand:
    """Take a command apart.

    Parameters
    ----------
    text : str
        Such as ``dbt build --target dev --exclude tag:slow``, with its references filled in.
    """
    flaws: list[tuple[str, str]] = []
    try:
        words = shlex.split(text)
    except ValueError as error:
        return DbtCommand("", {}, ((text, f"the command `{text}` cannot be read: {error}"),))
    if not words or words[0] != "dbt":
        return DbtCommand("", {}, ((words[0] if words else "", f"`{text}` does not begin with dbt"),))
    name = words[1] if len(words) > 1 else ""
    if name not in _COMMANDS:
        return DbtCommand(name, {}, ((name, f"dbt has no command `{name}` that a job can use"),))
    options: dict[str, list[str]] = {}
    current = None
    for word in words[2:]:
        option, has_value, value = word.partition("=")
        if word.startswith("-"):
            current = None
            if option in _COMMANDS[name]:
                options.setdefault(option, []).extend([value] if has_value else [])
                current = None if has_value else option
            elif word not in _SWITCHES:
                flaws.append((option, f"dbt {name} has no option `{option}`"))
        elif current is None:
            if name != "run-operation" or options:
                flaws.append((word, f"`{word}` belongs to no option of dbt {name}"))
        else:
            options[current].append(word)
            current = current if current in _LISTS else None
    flaws += [(option, f"the option `{option}` has no value") for option, values in options.items() if not values]
    for text in options.get("--vars", []):
        if not isinstance(_yaml(text), dict):
            flaws.append(("--vars", f"the value of --vars is no mapping: {text}"))
    return DbtCommand(name, options, tuple(flaws))


@dataclass(frozen=True)
class DbtFiles:
    """What commands can refer to, read from the files of a dbt project (no manifest is needed, so none can be old).

    Attributes
    ----------
    root : Path
    config : dict
        Of dbt_project.yml.
    """

    root: Path
    config: dict[str, Any]

    @cached_property
    def nodes(self) -> set[str]:
        """Names of models, seeds, snapshots and singular tests; folders that dbt_project.yml disables are left out."""
        disabled = [self.root / folder for folder in self._disabled_folders()]
        kinds = {
            "model-paths": ("models", (".sql", ".py")),
            "seed-paths": ("seeds", (".csv",)),
            "snapshot-paths": ("snapshots", (".sql", ".yml")),
            "test-paths": ("tests", (".sql",)),
        }
        return {
            path.stem
            for key, (default, suffixes) in kinds.items()
            for folder in self.config.get(key) or [default]
            for path in (self.root / folder).rglob("*")
            if path.suffix in suffixes and not path.name.startswith("_")
            if not any(path.is_relative_to(folder) for folder in disabled)
        }

    def _disabled_folders(self) -> Iterator[Path]:
        """Folders of models that are not enabled on a target of Databricks, such as stand-ins for Spark."""

        def below(config: dict[str, Any], place: Path) -> Iterator[Path]:
            for name, value in config.items():
                if name in ("+enabled", "enabled"):
                    if _is_disabled(value):
                        yield place
                elif isinstance(value, dict) and not name.startswith("+"):
                    yield from below(value, place / name)

        for folder in self.config.get("model-paths") or ["models"]:
            models = as_mapping(as_mapping(self.config.get("models")).get(self.config.get("name")))
            yield from below(models, Path(folder))

    @cached_property
    def tags(self) -> set[str]:
        """Tags that dbt_project.yml or a properties file gives."""
        found = set()
        for text in self._texts((".yml", ".sql", ".py")):
            for match in re.finditer(r"\+?tags['\"]?\s*[:=]\s*(\[[^\]]*\]|[^\n#]+)", text):
                found |= set(re.findall(r"[\w-]+", match[1]))
        return found

    @cached_property
    def selectors(self) -> set[str]:
        """Names in selectors.yml."""
        path = self.root / "selectors.yml"
        if not path.is_file():
            return set()
        with parsed(path, "selectors") as (loader, node):
            content = as_mapping(None if node is None else loader.construct_document(node))
        return {str(as_mapping(one).get("name")) for one in as_list(content.get("selectors"))}

    @cached_property
    def variables(self) -> set[str]:
        """Variables that dbt_project.yml sets, or that a file of the project reads by ``var('name')``."""
        declared = as_mapping(self.config.get("vars"))
        scoped = [name for value in declared.values() if isinstance(value, dict) for name in value]
        read = {name for text in self._texts((".yml", ".sql")) for name in re.findall(r"\bvar\(\s*['\"](\w+)", text)}
        return {*declared, *scoped} | read

    def _texts(self, suffixes: tuple[str, ...]) -> Iterator[str]:
        folders = ["models", "snapshots", "macros", "seeds", "tests/singular", "tests/generic"]
        paths = [path for folder in folders for path in (self.root / folder).rglob("*")]
        for path in [*self.root.glob("*.yml"), *paths]:
            if path.suffix in suffixes and path.is_file() and path.name != "databricks.yml":
                yield path.read_text(encoding="utf-8", errors="replace")

    def unknown_in(self, command: DbtCommand) -> Iterator[tuple[str, str]]:
        """Names in a command that the project does not have, each with the problem."""
        for option in ("--select", "-s", "--exclude"):
            for selection in command.options.get(option, []):
                for part in re.split(r"[ ,]+", selection):
                    yield from self._unknown_in_selection(part)
        for name in command.options.get("--selector", []):
            if name not in self.selectors:
                yield name, f"selectors.yml has no selector `{name}`"
        for name in command.variables:
            if name not in self.variables:
                yield name, f"no file of the project reads the variable `{name}`"

    def _unknown_in_selection(self, part: str) -> Iterator[tuple[str, str]]:
        bare = re.sub(r"^(@|\d*\+)|(\+\d*)$", "", part)
        method, separator, value = bare.partition(":")
        if not separator:
            known = bare in self.nodes or "*" in bare or "." in bare or (self.root / bare).exists()
            if not known and not any((self.root / "models" / bare).glob("*")):
                yield bare, f"the project has no model, seed, snapshot or test `{bare}`"
        elif method.partition(".")[0] not in _METHODS:
            yield method, f"dbt selects by no method `{method}`"
        elif method == "tag" and value not in self.tags:
            yield value, f"nothing in the project has the tag `{value}`"
        elif method in ("path", "file") and not list(self.root.glob(value)) and method == "path":
            yield value, f"the path `{value}` does not exist"


def _yaml(text: str) -> Any:
    """The value of ``--vars``: YAML, which JSON is as well; None where it is neither."""
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None


def profile_of(root: Path, config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Outputs of the project's profile in its own profiles.yml, by target; expressions stay as they are written."""
    path = root / "profiles.yml"
    if not path.is_file():
        return {}
    with parsed(path, "profiles") as (loader, node):
        content = as_mapping(None if node is None else loader.construct_document(node))
    outputs = as_mapping(as_mapping(content.get(str(config.get("profile")))).get("outputs"))
    return {str(name): as_mapping(output) for name, output in outputs.items()}


def env_variables_of(output: dict[str, Any]) -> set[str]:
    """Environment variables that a target reads."""
    return set(re.findall(r"env_var\(\s*'(\w+)'", json.dumps(output)))


def _is_disabled(enabled: Any) -> bool:
    """Whether a value of ``enabled`` says no on Databricks: false, or a comparison with another type of target."""
    compared = re.fullmatch(r"\{\{\s*target\.type\s*(==|!=)\s*['\"](\w+)['\"]\s*\}\}", str(enabled).strip())
    if compared is None:
        return enabled is False
    return (compared[2] == DATABRICKS) != (compared[1] == "==")
