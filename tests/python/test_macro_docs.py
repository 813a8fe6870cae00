"""What the YAML files say of the macros: every public one is described, with all its arguments and an example."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2
import pytest
import yaml

MACROS = Path(__file__).resolve().parents[2] / "macros"
WINDOW_FEATURES = MACROS / "temporal" / "window_features"
LONGEST_FILE = 150
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


def test_no_file_is_long():
    lines = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in MACROS.rglob("*.sql")}
    assert {name: count for name, count in lines.items() if count > LONGEST_FILE} == {}


def test_the_declaration_of_windows_is_described_and_only_read():
    comment, code = (WINDOW_FEATURES / "declaration.sql").read_text(encoding="utf-8").split("-#}", 1)
    described = set(re.findall(r"`([a-z_]+)`", comment))
    sources = {path.name: path.read_text(encoding="utf-8") for path in WINDOW_FEATURES.glob("*.sql")}
    read = {key for source in sources.values() for key in re.findall(r"\bdeclaration\.([a-z_]+)", source)}
    assert read <= described
    assert set(re.findall(r"^ {8}'([a-z_]+)':", code, re.MULTILINE)) <= read
    changing = r"\b(declaration|measure|partial|column)\.(update|pop|setdefault)\("
    assert [name for name, source in sources.items() if re.search(changing, source)] == []
