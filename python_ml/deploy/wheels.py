"""What tasks install: the wheel, which an artifact builds, and files of pinned requirements."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from python_ml.deploy.bundle import Bundle, Job, as_list, as_mapping
from python_ml.deploy.problem import Problem
from python_ml.deploy.wheel import DISTRIBUTION, WHEEL

FILES = "${workspace.file_path}"
_NOT_PINNED = "is not pinned: another version could be installed than was tested"


def artifact_problems(bundle: Bundle) -> Iterator[Problem]:
    """What is wrong with the artifacts."""
    artifacts = as_mapping(bundle.main.content.get("artifacts"))
    where = f"{bundle.main.path}, artifacts"
    wheels = [name for name, artifact in artifacts.items() if as_mapping(artifact).get("type") == "whl"]
    if not wheels:
        yield Problem("artifacts", "no artifact builds the wheel (`type: whl`)", where)
    for name, artifact in artifacts.items():
        content = as_mapping(artifact)
        for key in content.keys() - {"build", "dynamic_version", "executable", "files", "path", "type"}:
            yield Problem(str(key), f"an artifact has no field `{key}`", f"{where}.{name}")
        path = str(content.get("path", "."))
        if not (bundle.root / path).is_dir():
            yield Problem(path, f"the folder `{path}` does not exist", f"{where}.{name}.path")
        build = str(content.get("build", ""))
        if "--wheel-dir dist" not in build and "-d dist" not in build and "dist" not in build:
            yield Problem(build, f"the command `{build}` does not write the wheel to dist", f"{where}.{name}.build")
        for word in build.split():
            if word.lower().startswith(DISTRIBUTION) and "==" not in word:
                yield Problem(word, f"`{word}` {_NOT_PINNED}", f"{where}.{name}.build")


def environment_problems(bundle: Bundle, job: Job) -> Iterator[Problem]:
    """What is wrong with the environments of a job."""
    for environment in as_list(job.content.get("environments")):
        content = as_mapping(environment)
        where = job.where("environments", str(content.get("environment_key")))
        spec = as_mapping(content.get("spec"))
        dependencies = [str(one) for one in as_list(spec.get("dependencies"))]
        if not any(one.endswith(".whl") for one in dependencies):
            yield Problem("dependencies", "no dependency is the wheel of this package", where)
        for dependency in dependencies:
            yield from _dependency_problems(bundle, job, dependency, where)


def _dependency_problems(bundle: Bundle, job: Job, dependency: str, where: str) -> Iterator[Problem]:
    option = re.match(r"(-r|-c|--requirement|--constraint)[ =](.*)", dependency)
    if option:
        path = option[2].strip()
        inside = path.removeprefix(f"{FILES}/")
        if inside == path or not (bundle.root / inside).is_file():
            yield Problem(path, f"the file `{inside}` does not exist in the project", where)
        else:
            yield from _requirements(bundle.root / inside, inside)
    elif dependency.endswith(".whl"):
        yield from _wheel_problems(dependency, job.path, where)
    elif dependency.startswith((".", "/")) or "==" not in dependency:
        yield Problem(dependency, f"`{dependency}` {_NOT_PINNED}", where)


def _wheel_problems(dependency: str, document: Path, where: str) -> Iterator[Problem]:
    name = PurePosixPath(dependency).name
    if "*" in dependency:
        yield Problem(dependency, f"the wheel `{dependency}` {_NOT_PINNED}", where)
    elif name != WHEEL:
        yield Problem(name, f"the wheel `{name}` is not the one of this version, {WHEEL}", where)
    elif _normal(document.parent / dependency) != f"dist/{WHEEL}":
        yield Problem(dependency, f"the wheel is built in dist, not in `{PurePosixPath(dependency).parent}`", where)


def _normal(path: Path) -> str:
    """A relative path without ``..``."""
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def _requirements(path: Path, shown: str) -> Iterator[Problem]:
    """Lines that are no requirement, or set no bound."""
    from packaging.requirements import InvalidRequirement, Requirement

    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            yield Problem(text, f"`{text}` is no requirement", f"{shown}, line {number}")
            continue
        if not requirement.specifier and requirement.url is None:
            yield Problem(text, f"`{text}` {_NOT_PINNED}", f"{shown}, line {number}")
