"""YAML that users edit: read with messages that name the line, written in a stable, readable form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

from python_ml.errors import UserError

MAX_DEPTH = 100  # of nesting
MAX_ALIASED = 10_000  # values that aliases may stand for, all together


class Loader(yaml.SafeLoader):
    """PyYAML's own, with limits, and with errors that know their line for values that look like a date and are none.

    Aliases of aliases can stand for billions of values in a file of ten lines; whoever walks through them never ends.
    """

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._depth, self._aliased = 0, 0
        self._sizes: dict[int, int] = {}  # values below a finished node, with those that aliases stand for

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ComposerError(None, None, "the values are nested too deeply", event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(event, yaml.AliasEvent):
            if id(node) not in self._sizes:
                raise ComposerError(None, None, f"the anchor &{event.anchor} contains itself", node.start_mark)
            self._aliased += self._sizes[id(node)]
            if self._aliased > MAX_ALIASED:
                text = f"the aliases (*name) stand for more than {MAX_ALIASED:,} values"
                raise ComposerError(None, None, text, event.start_mark)
        else:
            self._sizes[id(node)] = 1 + sum(self._sizes[id(child)] for child in _children(node))
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except ValueError as error:
            raise ConstructorError(None, None, f"`{node.value}`: {error}", node.start_mark) from error


def _children(node: yaml.Node | None) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


@contextmanager
def parsed(path: Path, what: str) -> Iterator[tuple[Loader, yaml.Node | None]]:
    """Parse a file into nodes, which know their lines, and into values within the block.

    Parameters
    ----------
    path : Path
    what : str
        What the file holds, in the plural, for messages.

    Yields
    ------
    Loader
        Makes values of nodes.
    yaml.Node or None
        The document; None for an empty file.

    Raises
    ------
    UserError
        When the file cannot be read or is no YAML.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"The {what} are not valid YAML: the file cannot be read as UTF-8 text.",
            where=str(path),
            hint="save the file as UTF-8 text",
        ) from error
    loader = None
    try:
        loader = Loader(text)
        yield loader, loader.get_single_node()
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        raise UserError(
            f"The {what} are not valid YAML: {getattr(error, 'problem', None) or error}.",
            where=f"{path}, line {mark.line + 1}" if mark else str(path),
            hint="check indentation, colons and quotes there",
        ) from error
    finally:
        if loader is not None:
            loader.dispose()


class OneLine(dict):
    """A mapping that is written on one line: ``{role: key}``."""


class OneLineList(list):
    """A list that is written on one line: ``[a, b]``."""


class _Dumper(yaml.SafeDumper):
    """Indented lists, no aliases."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


class _FastDumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):
    """For long documents; no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


# Line breaks that are not "\n" would be folded into blanks; in double quotes they are escaped.
_ODD_BREAKS = re.compile("[\r\x85\u2028\u2029]")


def _text(dumper: yaml.SafeDumper, data: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style='"' if _ODD_BREAKS.search(data) else None)


def _mapping(dumper: yaml.SafeDumper, data: OneLine) -> yaml.Node:
    return dumper.represent_mapping("tag:yaml.org,2002:map", data.items(), flow_style=True)


def _sequence(dumper: yaml.SafeDumper, data: OneLineList) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=True)


for _kind in (_Dumper, _FastDumper):
    for _type, _represent in ((str, _text), (OneLine, _mapping), (OneLineList, _sequence)):
        _kind.add_representer(_type, _represent)


def dump(data: Any, comment: str = "", *, is_long: bool = False) -> str:
    """Write YAML in the order given, with long texts folded.

    Parameters
    ----------
    data : object
        Mappings, lists and scalars; :class:`OneLine` and :class:`OneLineList` stay on one line.
    comment : str
        Lines that stand at the top, without their marks.
    is_long : bool
        Whether to write by the library in C, where there is one; lists are not indented then.
    """
    kind = _FastDumper if is_long else _Dumper
    text = yaml.dump(data, Dumper=kind, sort_keys=False, allow_unicode=True, width=110, default_flow_style=False)
    return "".join(f"# {line}\n" for line in comment.splitlines()) + text
