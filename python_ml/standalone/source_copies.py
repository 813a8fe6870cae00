"""Copies of modules of this package that do not need it: what a function uses, and nothing else.

The notebooks of a standalone pipeline must follow the same rules as the package (the split, the metrics, the
reasons), so they run its own code. Of each module they get the definitions that are used, with imports of their own.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PACKAGE = "python_ml"


@dataclass
class _Module:
    """A module that is copied in part.

    Attributes
    ----------
    lines : list of str
    tree : ast.Module
    needed : set of str
        Names that are used, of definitions and of imports.
    """

    name: str
    lines: list[str]
    tree: ast.Module
    definitions: dict[str, ast.stmt] = field(default_factory=dict)
    imports: dict[str, tuple[str, str | None, bool]] = field(default_factory=dict)
    needed: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, name: str) -> _Module:
        path = importlib.util.find_spec(name).origin
        text = Path(path).read_text(encoding="utf-8")
        module = cls(name, text.splitlines(), ast.parse(text))
        for statement in module.tree.body:
            module._note(statement)
        return module

    def _note(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            self.definitions[statement.name] = statement
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for target in targets:
                for node in ast.walk(target):
                    if isinstance(node, ast.Name):
                        self.definitions[node.id] = statement
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            self.imports |= _imported(statement, for_types=False)
        elif isinstance(statement, ast.If):  # TYPE_CHECKING
            for inner in statement.body:
                if isinstance(inner, ast.Import | ast.ImportFrom):
                    self.imports |= _imported(inner, for_types=True)


def _imported(statement: ast.Import | ast.ImportFrom, for_types: bool) -> dict[str, tuple[str, str | None, bool]]:
    """The module and the name behind each name that an import makes."""
    if isinstance(statement, ast.Import):
        return {(a.asname or a.name).split(".")[0]: (a.name, None, for_types) for a in statement.names}
    return {a.asname or a.name: (statement.module or "", a.name, for_types) for a in statement.names}


def module_copies(
    roots: Mapping[str, Iterable[str]], renamed: Mapping[str, str], foreign: Iterable[str] = ()
) -> dict[str, str]:
    """Copy what some functions use into modules that import nothing of this package.

    Parameters
    ----------
    roots : mapping of module to names
        The functions and classes that are wanted.
    renamed : mapping of module to module
        Modules that take the place of others of the same names, such as one with simpler errors.
    foreign : iterable of str
        Packages of this package whose classes only annotate: their names stand for any object.

    Returns
    -------
    dict of str to str
        Source by the last part of the module's name.

    Raises
    ------
    ValueError
        When two modules end in the same name, or a name is used that is nowhere defined.
    """
    modules: dict[str, _Module] = {}
    foreign = tuple(foreign)

    def module(name: str) -> _Module:
        name = renamed.get(name, name)
        if name not in modules:
            modules[name] = _Module.read(name)
        return modules[name]

    def origin(name: str, wanted: str) -> tuple[str, str]:
        """Where something is defined that a module may only hand on."""
        here = module(name)
        if wanted in here.definitions or wanted not in here.imports:
            return here.name, wanted
        source, original, _ = here.imports[wanted]
        return origin(source, original or wanted) if _is_ours(source) else (here.name, wanted)

    waiting = [(module(name), wanted) for name, names in roots.items() for wanted in names]
    while waiting:
        here, name = waiting.pop()
        if name in here.needed:
            continue
        if name in here.definitions:
            here.needed.add(name)
            statement = here.definitions[name]
            waiting += [(here, used) for used in _used(statement) if used in here.definitions or used in here.imports]
            waiting += [(module(source), wanted) for source, wanted, _ in _late_imports(statement).values()]
        elif name in here.imports:
            here.needed.add(name)
            source, wanted, for_types = here.imports[name]
            if _is_ours(source) and not (for_types and source.startswith(foreign)):
                here.imports[name] = (*origin(source, wanted), for_types)
                waiting.append((module(here.imports[name][0]), here.imports[name][1]))
        else:
            raise ValueError(f"{here.name} has no {name}")
    stems = [name.rsplit(".", 1)[-1] for name in modules]
    if len(set(stems)) < len(stems):
        raise ValueError(f"two modules end in the same name: {', '.join(sorted(modules))}")
    return {
        name.rsplit(".", 1)[-1]: _source(module, foreign) for name, module in sorted(modules.items()) if module.needed
    }


def _is_ours(module: str) -> bool:
    return module.split(".")[0] == PACKAGE


def _used(statement: ast.stmt) -> set[str]:
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}


def _late_imports(statement: ast.stmt) -> dict[str, tuple[str, str, bool]]:
    """Imports of this package inside of functions."""
    found: dict[str, tuple[str, str, bool]] = {}
    for node in ast.walk(statement):
        if isinstance(node, ast.ImportFrom) and _is_ours(node.module or ""):
            found |= _imported(node, for_types=False)
    return found


def _source(module: _Module, foreign: tuple[str, ...]) -> str:
    """The text of a copy: docstring, imports, and the definitions in their order."""
    parts = [f'"""{ast.get_docstring(module.tree, clean=False)}"""', "from __future__ import annotations"]
    imports, for_types = _import_lines(module, foreign)
    parts += ["\n".join(group) for group in _grouped(imports)]
    if for_types:
        parts.append("if TYPE_CHECKING:\n" + "\n\n".join(_indented(group) for group in _grouped(for_types)))
    text = "\n\n".join(parts)
    was_constant, was_block = False, False
    for statement in module.tree.body:
        names = [name for name, defined in module.definitions.items() if defined is statement]
        if not set(names) & module.needed:
            continue
        is_constant = isinstance(statement, ast.Assign | ast.AnnAssign)
        block = _block(module.lines, statement)
        joined = is_constant and was_constant and not block.startswith("#")
        text += ("\n" if joined else "\n\n" if is_constant and not was_block else "\n\n\n") + block
        was_constant, was_block = is_constant, not is_constant
    return re.sub(rf"\b{PACKAGE}(?:\.\w+)*\.(\w+)", r"\1", _local(text)) + "\n"


def _import_lines(module: _Module, foreign: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Import statements that are needed when the module runs, and those for annotations alone."""
    plain: list[str] = []
    runtime: dict[str, list[str]] = {}
    types: dict[str, list[str]] = {}
    for name, (source, wanted, for_types) in module.imports.items():
        if name not in module.needed or name in ("annotations", "TYPE_CHECKING"):
            continue
        if wanted is None:
            line = f"import {source}" if name == source.split(".")[0] else f"import {source} as {name}"
            (types.setdefault("", []) if for_types else plain).append(line)
            continue
        if _is_ours(source) and for_types and source.startswith(foreign):
            source, wanted = "types", "SimpleNamespace"  # any object with the same attributes
        elif _is_ours(source):
            source = "." + source.rsplit(".", 1)[-1]
        shown = wanted if wanted == name else f"{wanted} as {name}"
        (types if for_types else runtime).setdefault(source, []).append(shown)
    for_types = types.pop("", []) + [_from(source, names) for source, names in types.items()]
    if for_types:
        runtime.setdefault("typing", []).append("TYPE_CHECKING")
    return plain + [_from(source, names) for source, names in runtime.items()], for_types


def _from(source: str, names: list[str]) -> str:
    # Constants, classes, functions: the usual order.
    ordered = sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    line = f"from {source} import {', '.join(ordered)}"
    return line if len(line) <= 115 else f"from {source} import (\n" + "".join(f"    {n},\n" for n in ordered) + ")"


def _grouped(lines: list[str]) -> list[list[str]]:
    """Imports in the usual groups: the standard library, other packages, this folder."""
    import sys

    groups: list[list[str]] = [[], [], []]
    for line in sorted(lines, key=lambda line: (line.startswith("from"), line.split()[1])):
        source = line.split()[1]
        place = 2 if source.startswith(".") else 0 if source.split(".")[0] in sys.stdlib_module_names else 1
        groups[place].append(line)
    return [group for group in groups if group]


def _indented(lines: list[str]) -> str:
    return "\n".join("    " + line for text in lines for line in text.splitlines())


def _block(lines: list[str], statement: ast.stmt) -> str:
    """The lines of a definition with its decorators and the comment right above it."""
    first = min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", []))]) - 1
    while first > 0 and lines[first - 1].startswith("#"):
        first -= 1
    return "\n".join(lines[first : statement.end_lineno])


def _local(text: str) -> str:
    """Imports of this package inside of functions, as imports of modules of the same folder."""
    return re.sub(rf"from {PACKAGE}(?:\.\w+)*\.(\w+) import", r"from .\1 import", text)
