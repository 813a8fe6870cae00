"""Reading ``retention.yml``, with messages that name the line."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from python_ml.errors import UserError
from python_ml.formatting import counted
from python_ml.settings.schema import Settings
from python_ml.yaml_io import parsed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def load_settings(path: Path) -> Settings:
    """Read and check ``retention.yml``.

    Parameters
    ----------
    path : Path
        The file; when it does not exist, the defaults apply.

    Raises
    ------
    UserError
        Names the file, the line and the setting, and how to fix it: for text that is not YAML, for unknown
        or repeated keys and for values out of range.
    """
    if not path.exists():
        return Settings()
    lines: dict[tuple, int] = {}
    with parsed(path, "settings") as (loader, node):
        data = {} if node is None else _construct(loader, node, path, (), lines)
    if data is None:
        return Settings()
    if not isinstance(data, dict):
        raise UserError(
            "The settings must be a mapping of sections.",
            where=f"{path}, line 1",
            hint=f"begin with one of: {', '.join(Settings.model_fields)}",
        )
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        raise _explain(error, path, lines) from error
    settings._path, settings._lines = str(path), lines
    return settings


def _construct(loader: yaml.SafeLoader, node: yaml.Node, path: Path, at: tuple, lines: dict[tuple, int]) -> Any:
    """Turn a YAML node into Python values, noting the line of every key and refusing repeated keys."""
    lines.setdefault(at, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_construct(loader, child, path, (*at, i), lines) for i, child in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return loader.construct_object(node)
    seen: dict[Any, int] = {}
    for key_node, _ in node.value:
        key, line = key_node.value, key_node.start_mark.line + 1
        if isinstance(key, str) and key in seen:
            raise UserError(
                f"The setting `{key}` is there twice.",
                where=f"{path}, lines {seen[key]} and {line}, {'.'.join(map(str, (*at, key)))}",
                hint="keep one of the two",
            )
        if isinstance(key, str):
            seen[key] = line
    loader.flatten_mapping(node)
    values = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node)
        if not isinstance(key, str):
            raise UserError(
                f"The key {key!r} is not text.",
                where=f"{path}, line {key_node.start_mark.line + 1}",
                hint="put it in quotes, or use one of the known settings",
            )
        lines[(*at, key)] = key_node.start_mark.line + 1
        values[key] = _construct(loader, value_node, path, (*at, key), lines)
    return values


def _explain(error: ValidationError, path: Path, lines: dict[tuple, int]) -> UserError:
    """Turn pydantic's findings into one message; the first in the file leads, the others are counted."""

    def line_of(location: tuple) -> int:
        while location and location not in lines:
            location = location[:-1]
        return lines.get(location, 1)

    findings = sorted(error.errors(), key=lambda finding: line_of(finding["loc"]))
    first = findings[0]
    location = first["loc"]
    where = f"{path}, line {line_of(location)}" + (f", {'.'.join(map(str, location))}" if location else "")
    known = _known_keys(location[:-1]) if first["type"] == "extra_forbidden" else []
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(location[-1]), known, n=1)
        what = f"There is no setting `{location[-1]}` here."
        hint = f"did you mean `{close[0]}`? " if close else ""
        hint += f"known here: {', '.join(known)}"
    else:
        reason = _reason(first)
        value = first["input"]
        shown = "" if isinstance(value, (dict, BaseModel)) else f" (it is {value!r})"
        what = f"{'.'.join(map(str, location)) or 'The file'}: {reason[0].lower()}{reason[1:]}{shown}."
        hint = "correct the value, or delete the line to use the default"
    if len(findings) > 1:
        others = ", ".join(f"line {line_of(f['loc'])}" for f in findings[1:6])
        hint += f"; {len(findings) - 1} more: {others}"
    return UserError(what, where=where, hint=hint)


def _reason(finding: Mapping[str, Any]) -> str:
    """What is wrong; pydantic speaks of types, and not of what a person writes."""
    match finding["type"]:
        case "model_type" | "model_attributes_type" | "dict_type":
            return "this is a section: settings go below it, indented"
        case "missing":
            return "this setting is required"
        case "too_short":
            return f"list at least {counted(finding['ctx']['min_length'], 'item')}"
        case "string_too_short":
            return "this must not be empty"
        case _:
            return finding["msg"].removeprefix("Value error, ")


def _known_keys(location: tuple) -> list[str]:
    """The keys that the section at ``location`` knows."""
    section: Any = Settings
    for part in location:
        # A mapping of names, such as the interventions, has sections of one kind below it.
        is_section = isinstance(section, type) and issubclass(section, BaseModel)
        section = section.model_fields[part].annotation if is_section else get_args(section)[-1]
    return list(section.model_fields)
