"""Scoring needs the base dependencies alone, and the platform's own packages satisfy them."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from python_ml.errors import EXTRAS, explained
from python_ml.model.tracking import write_extra_files
from python_ml.quality import model_facts
from tests.python.churn_world import small_world, trained

# Serverless environment 5 of Databricks.
PLATFORM = {"numpy": "2.1.3", "pandas": "2.2.3", "mlflow-skinny": "3.8.1"}

SCORING = """
import sys
from pathlib import Path

blocked = set(sys.argv[1].split(","))


class Filter:
    # A finder that does not find what is blocked, as if it were not installed.

    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in blocked else self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)


sys.meta_path[:] = [Filter(finder) for finder in sys.meta_path]
import pandas as pd
import python_ml.decisions.campaign
import python_ml.text
from python_ml.model.registry import ChampionFiles, ModelRegistry, open_files
from python_ml.model.score import reasons, score
from python_ml.model.store import library

library()  # MLflow, of which the whole is blocked and the skinny part is not
folder = Path(sys.argv[2])
champion = open_files(ChampionFiles(folder, "digest", 1, "run"))
frame = pd.read_parquet(folder / "scoring_set.parquet")
scores, why = score(frame, champion, "customer_id"), reasons(frame, champion, "customer_id")
assert len(scores) == len(frame) and len(why) > 0
print("scored", len(scores), sorted(blocked & set(sys.modules)))
"""


def base_requirements(repository: Path) -> list[Requirement]:
    """Base dependencies as pyproject.toml has them."""
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [Requirement(text) for text in project["dependencies"]]


def closure(requirements: list[Requirement]) -> set[str]:
    """Names of all distributions that an installation of these brings."""
    known: set[str] = set()
    waiting = list(requirements)
    installed = {canonicalize_name(found.metadata["Name"]) for found in distributions()}
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if (
            name in known
            or name not in installed
            or (requirement.marker and not requirement.marker.evaluate({"extra": ""}))
        ):
            continue
        known.add(name)
        waiting += [Requirement(text) for text in requires(name) or ()]
    return known


def blocked_modules(allowed: set[str]) -> set[str]:
    """Top-level modules of every other distribution that is installed."""
    modules: dict[str, set[str]] = {}
    for found in distributions():
        owner = canonicalize_name(found.metadata["Name"])  # parsed anew whenever it is asked for
        for path in found.files or ():
            top = path.parts[0].removesuffix(".py")
            if top.isidentifier() and (len(path.parts) > 1 or path.suffix == ".py"):
                modules.setdefault(top, set()).add(owner)
    return {top for top, owners in modules.items() if not owners & allowed and top != "python_ml"}


def test_scoring_needs_no_other_library(repository: Path, tmp_path: Path) -> None:
    import pickle

    world, result = small_world(), trained("logistic_regression")
    extra = tmp_path / "extra_files"
    extra.mkdir()
    write_extra_files(result, "customer_id", model_facts(result.dataset, result.card, world.features).to_json(), extra)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(result.model))
    newest = world.frame[world.frame["feature_timestamp"] == world.frame["feature_timestamp"].max()]
    newest.to_parquet(tmp_path / "scoring_set.parquet")
    blocked = blocked_modules(closure(base_requirements(repository)))
    assert {"duckdb", "dbt", "great_expectations", "matplotlib", "optuna", "networkx", "pyspark"} <= blocked
    run = subprocess.run(
        [sys.executable, "-c", SCORING, ",".join(sorted(blocked)), str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=repository,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split()[:2] == ["scored", str(len(newest))]


@pytest.mark.parametrize("name", PLATFORM)
def test_floors_admit_the_packages_of_the_platform(repository: Path, name: str) -> None:
    (requirement,) = [one for one in base_requirements(repository) if one.name == name]
    assert requirement.specifier.contains(PLATFORM[name])


@pytest.mark.parametrize("file", ["serverless-5.txt", "runtime-18-lts-ml.txt"])
def test_constraints_agree_with_base_and_platform(repository: Path, file: str) -> None:
    base = {one.name: one.specifier for one in base_requirements(repository)}
    lines = (repository / "deploy" / file).read_text(encoding="utf-8").splitlines()
    pinned = {one.name: one.specifier for one in map(Requirement, (x for x in lines if x and not x.startswith("#")))}
    for name, version in PLATFORM.items():
        assert pinned[name].contains(version), name
    for name, specifier in pinned.items():
        exact = str(specifier).removeprefix("==")
        if name in base and exact.replace(".", "").isdigit():
            assert base[name].contains(exact), name


@pytest.mark.parametrize("name", sorted(EXTRAS))
def test_a_missing_library_names_its_extra(name: str) -> None:
    error = explained(ModuleNotFoundError(f"No module named '{name}.part'", name=f"{name}.part"))
    assert error.exit_code == 2
    assert f"customer-retention[{EXTRAS[name]}]" in str(error)


def test_a_module_of_ours_that_is_missing_is_a_bug() -> None:
    assert explained(ModuleNotFoundError("No module named 'python_ml.lost'", name="python_ml.lost")) is None
