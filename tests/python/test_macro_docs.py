"""What the YAML files say of the macros: every public one is described, with all its arguments and an example."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2
import pytest
import yaml

MACROS = Path(__file__).resolve().parents[2] / "macros"
PRIVATE = re.compile(r"_|(default|duckdb|spark|databricks)__")


def _defined() -> dict[str, list[str]]:
    """The arguments of every public macro, as its definition has them."""
    environment = jinja2.Environment(extensions=["jinja2.ext.do"])
    arguments = {}
    for path in sorted(MACROS.rglob("*.sql")):
        if path.parent.name == "materializations":  # a language of dbt's own, which is not called
            continue
        for macro in environment.parse(path.read_text(encoding="utf-8")).find_all(jinja2.nodes.Macro):
            if not PRIVATE.match(macro.name):
                arguments[macro.name] = [argument.name for argument in macro.args]
    return arguments


DEFINED = _defined()
DESCRIBED = {
    macro["name"]: macro
    for path in MACROS.rglob("*.yml")
    for macro in yaml.safe_load(path.read_text(encoding="utf-8"))["macros"]
}


@pytest.mark.parametrize("name", DEFINED)
def test_a_macro_is_described(name):
    assert name in DESCRIBED, "no YAML file describes it"
    described = DESCRIBED[name]
    arguments = described.get("arguments", [])
    assert [argument["name"] for argument in arguments] == DEFINED[name]
    assert "Example" in described["description"]
    for argument in arguments:
        assert argument["type"], argument["name"]
        assert argument["description"], argument["name"]


def test_what_is_described_is_there():
    engines_own = {name for name in DESCRIBED if PRIVATE.match(name)}
    assert engines_own <= {"spark__load_csv_rows"}
    assert set(DESCRIBED) - engines_own <= set(DEFINED)
