"""All checks of a bundle that need no workspace."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from python_ml.deploy.bundle import BUILT_IN, REFERENCE, Bundle, as_list, as_mapping, texts_in
from python_ml.deploy.dbt_commands import DbtFiles, profile_of
from python_ml.deploy.problem import Problem
from python_ml.deploy.schema_check import schema_problems
from python_ml.deploy.tasks import TaskCheck
from python_ml.deploy.wheels import artifact_problems, environment_problems

if TYPE_CHECKING:
    from python_ml.project import Project

# Says what is wrong with a command line of `retention`, such as ["score", "--target", "dev"]; None where nothing is.
Commands = Callable[[Sequence[str]], str | None]

_TOP = {
    "artifacts", "bundle", "environments", "experimental", "include", "permissions", "presets", "python", "resources",
    "run_as", "scripts", "sync", "targets", "variables", "workspace",
}  # fmt: skip
_TARGET = {
    "artifacts", "bundle", "cluster_id", "compute_id", "default", "git", "mode", "permissions", "presets", "resources",
    "run_as", "sync", "variables", "workspace",
}  # fmt: skip
_WORKSPACE = {
    "host", "profile", "root_path", "file_path", "artifact_path", "state_path", "resource_path", "auth_type",
    "client_id",
    "azure_workspace_resource_id", "azure_client_id", "azure_tenant_id", "azure_environment", "google_service_account",
}  # fmt: skip
_VARIABLE = {"default", "description", "lookup", "type"}
_SECRET = {
    "a personal access token": re.compile(r"\bdapi[0-9a-f]{32}(-\d)?\b"),
    "an OAuth secret": re.compile(r"\bdose[0-9a-f]{32}\b"),
    "a key of AWS": re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
}
_SECRET_FIELD = re.compile(
    r"(?im)^\s*(?P<name>[\w-]*(?:token|client_secret|password|secret_key))\s*:\s*(?P<value>[\"']?[^\s\"'#{$&*][^\n#]*)"
)


def check_bundle(project: Project, commands: Commands) -> list[Problem]:
    """Check the bundle of a project against its files.

    Parameters
    ----------
    project : Project
    commands : callable
        Says what is wrong with a command line of ``retention``.

    Returns
    -------
    list of Problem
        Empty where nothing is wrong.

    Raises
    ------
    UserError
        When there is no bundle, or a file is no YAML.
    """
    bundle = Bundle.read(project.root)
    found = [
        *_layout(bundle),
        *_references(bundle),
        *schema_problems(bundle),
        *artifact_problems(bundle),
        *_secrets(project.root, bundle),
    ]
    tasks = TaskCheck(
        bundle, DbtFiles(project.root, project.config), profile_of(project.root, project.config), commands
    )
    for job in bundle.jobs:
        found += [*environment_problems(bundle, job), *tasks.problems(job)]
    if bundle.targets:
        found += [*_separation(bundle, tasks), *_production(bundle)]
    return list(dict.fromkeys(found))


def _layout(bundle: Bundle) -> Iterator[Problem]:
    """Names of fields outside of resources, which the schema of resources does not have."""
    main = str(bundle.main.path)
    for pattern in bundle.unmatched:
        yield Problem(pattern, f"no file matches `{pattern}`", f"{main}, include")
    for document in bundle.documents:
        for key in document.content:
            if key not in _TOP:
                yield Problem(str(key), f"a bundle has no part `{key}`", str(document.path))
    if not as_mapping(bundle.main.content.get("bundle")).get("name"):
        yield Problem("name", "the bundle has no `name`", f"{main}, bundle")
    for name, declared in bundle.variables.items():
        for key in declared.keys() - _VARIABLE:
            yield Problem(str(key), f"a variable has no field `{key}`", f"{main}, variables.{name}")
    for name, target in bundle.targets.items():
        where = f"{main}, targets.{name}"
        for key in target.keys() - _TARGET:
            yield Problem(str(key), f"a target has no field `{key}`", where)
        for key in as_mapping(target.get("workspace")).keys() - _WORKSPACE:
            yield Problem(str(key), f"a workspace has no field `{key}`", f"{where}.workspace")
        if target.get("mode") not in ("development", "production"):
            mode = target.get("mode")
            yield Problem(str(mode), f"the mode `{mode}` is neither development nor production", where)
        for variable in as_mapping(target.get("variables")):
            if variable not in bundle.variables:
                yield Problem(str(variable), f"the variable `{variable}` is not declared", f"{where}.variables")
    defaults = [name for name, target in bundle.targets.items() if target.get("default")]
    if len(defaults) > 1:
        yield Problem(defaults[1], f"two targets are the default: {' and '.join(defaults)}", f"{main}, targets")
    if not bundle.targets:
        yield Problem("targets", "the bundle has no targets", main)
    if not bundle.jobs:
        yield Problem("resources", "the bundle has no jobs", main)


def _references(bundle: Bundle) -> Iterator[Problem]:
    """References to what is nowhere declared, and variables that nothing refers to."""
    used = set()
    for document in bundle.documents:
        for place, text in texts_in(document.content):
            for reference in REFERENCE.findall(text):
                used.add(reference)
                where = f"{document.path}, {place}"
                kind, _, name = reference.partition(".")
                if kind == "var" and name not in bundle.variables:
                    yield Problem(name, f"the variable `{name}` is not declared", where)
                elif kind == "resources":
                    if not _has_resource(bundle, name):
                        yield Problem(reference, f"there is no resource `{name}`", where)
                elif kind != "var" and reference not in BUILT_IN:
                    yield Problem(reference, f"`{reference}` is no reference of a bundle", where)
    for name in bundle.variables:
        if f"var.{name}" not in used:
            yield Problem(name, f"nothing refers to the variable `{name}`", f"{bundle.main.path}, variables")


def _has_resource(bundle: Bundle, name: str) -> bool:
    kind, _, rest = name.partition(".")
    key = rest.partition(".")[0]
    return any(
        key in as_mapping(as_mapping(document.content.get("resources")).get(kind)) for document in bundle.documents
    )


def _secrets(root: Path, bundle: Bundle) -> Iterator[Problem]:
    """Secrets that are written into a file that is deployed."""
    paths = [document.path for document in bundle.documents]
    paths += [path.relative_to(root) for name in ("*.yml", "deploy/*") for path in root.glob(name) if path.is_file()]
    for path in dict.fromkeys(paths):
        text = (root / path).read_text(encoding="utf-8", errors="replace")
        for kind, pattern in _SECRET.items():
            if match := pattern.search(text):
                shown = f"{match[0][:8]}…"
                yield Problem(shown, f"{kind} is in the file: {shown}", _line(path, text, match.start()))
        for match in _SECRET_FIELD.finditer(text):
            if match["value"].strip().strip("\"'") not in ("null", "~", ""):
                where = _line(path, text, match.start("name"))
                yield Problem(match["name"], f"the value of `{match['name']}` is a secret in a file", where)


def _line(path: Path, text: str, offset: int) -> str:
    return f"{path}, line {text.count(chr(10), 0, offset) + 1}"


def _separation(bundle: Bundle, tasks: TaskCheck) -> Iterator[Problem]:
    """Targets that would write the same tables."""
    written: dict[tuple[str, ...], str] = {}
    for name in bundle.targets:
        catalog, schema, output = (bundle.value_of(f"var.{one}", name) for one in ("catalog", "schema", "dbt_target"))
        if bundle.targets[name].get("mode") == "development" and not tasks.is_prefixed(output):
            what = f"the target {name} is for development, and `{output}` writes the schemas of production"
            yield Problem(output, what, f"{bundle.main.path}, targets.{name}.variables")
        place = (catalog, schema, output) if tasks.is_prefixed(output) else (catalog, "", "")
        if place in written:
            what = f"the targets {written[place]} and {name} write the same tables, in the catalog {catalog}"
            yield Problem(name, what, f"{bundle.main.path}, targets.{name}.variables")
        written[place] = name


def _production(bundle: Bundle) -> Iterator[Problem]:
    """What production must not be without, and development must not have."""
    for name, target in bundle.targets.items():
        where = f"{bundle.main.path}, targets.{name}"
        is_production = target.get("mode") == "production"
        if is_production and not as_mapping(target.get("run_as")):
            yield Problem("run_as", f"the target {name} runs as whoever deploys it: it has no `run_as`", where)
        if is_production and not as_list(target.get("permissions")):
            yield Problem("permissions", f"the target {name} has no `permissions`", where)
        for job in bundle.jobs:
            status = as_mapping(job.content.get("schedule")).get("pause_status")
            if status is None:
                continue
            value = bundle.resolved(str(status), name)
            if value not in ("PAUSED", "UNPAUSED"):
                yield Problem(value, f"`{value}` is neither PAUSED nor UNPAUSED", job.where("schedule", "pause_status"))
            elif not is_production and value != "PAUSED":
                what = f"the schedule is not paused in the target {name}"
                yield Problem("pause_status", what, job.where("schedule", "pause_status"))
