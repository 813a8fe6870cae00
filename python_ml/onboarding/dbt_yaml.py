"""YAML as a person would write it: anchors with telling names, short mappings on one line, room between models."""

from __future__ import annotations

import re
from typing import Any

import yaml

from python_ml.names import yaml_text


class OneLine(dict):
    """A mapping that is written on one line: ``{role: key}``."""


class OneLineList(list):
    """A list that is written on one line: ``[a, b]``."""


class _Dumper(yaml.SafeDumper):
    """Indented lists, and anchors that are called after what they mark."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, indentless=False)

    def generate_anchor(self, node: yaml.Node) -> str:
        keys = {}
        if isinstance(node, yaml.MappingNode):
            keys = {key.value: value for key, value in node.value}
        if "contract" in keys:
            return "contracted"
        if "name" in keys and re.fullmatch(r"[a-z][a-z0-9_]*", str(keys["name"].value)):
            return keys["name"].value
        if isinstance(node, yaml.SequenceNode):
            first = (
                {key.value for key, _ in node.value[0].value} if isinstance(node.value[0], yaml.MappingNode) else set()
            )
            return "spine_columns" if "name" in first else "one_row_per_spine_row"
        return super().generate_anchor(node)

    def ignore_aliases(self, data: Any) -> bool:
        return isinstance(data, str | OneLineList) or super().ignore_aliases(data)


def _one_line(dumper: yaml.SafeDumper, data: dict) -> yaml.Node:
    return dumper.represent_mapping("tag:yaml.org,2002:map", data.items(), flow_style=True)


def _one_line_list(dumper: yaml.SafeDumper, data: list) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True)


def _text(dumper: yaml.SafeDumper, data: str) -> yaml.Node:
    # Line breaks that are not "\n" would be folded into blanks; in double quotes they are escaped.
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style='"' if _ODD_BREAKS.search(data) else None)


_ODD_BREAKS = re.compile("[\r\x85\u2028\u2029]")
_Dumper.add_representer(str, _text)
_Dumper.add_representer(OneLine, _one_line)
_Dumper.add_representer(OneLineList, _one_line_list)


def properties(data: dict[str, Any], comment: str = "") -> str:
    """Write a properties file of dbt (models, sources, exposures).

    Parameters
    ----------
    data : dict
        Dictionaries that occur more than once (the same object) become an anchor and aliases. Texts that came from a
        user's file must have gone through :func:`python_ml.names.yaml_text`.
    comment : str
        Lines for the top, without the number sign.

    Returns
    -------
    str
    """
    return dump(data, comment, spaced=True)


def dump(data: Any, comment: str = "", spaced: bool = False) -> str:
    """Write YAML in the order given, with long texts folded."""
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=False)
    if spaced:
        # a blank line before every model, source or exposure but the first, and before every further section
        text = re.sub(r"(?<!:)\n(?=  - name: )", "\n\n", text)
        text = re.sub(r"\n(?=[a-z_]+:\n)", "\n\n", text)
    return "".join(f"# {line}\n" for line in comment.splitlines()) + text


def raw_texts(value: Any) -> Any:
    """Apply :func:`yaml_text` to every text of a nested value, with lists on one line; keys must be our own."""
    if isinstance(value, str):
        return yaml_text(value)
    if isinstance(value, dict):
        return type(value)((key, raw_texts(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return OneLineList(raw_texts(item) for item in value)
    return value
