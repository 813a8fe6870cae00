"""Reading YAML that people edit: what is none is told in one message, with its line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import ConstructorError

from python_ml.errors import UserError


class Loader(yaml.SafeLoader):
    """PyYAML's own, but for values that look like a date or a number and are none: errors that know their line."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except ValueError as error:
            raise ConstructorError(None, None, f"`{node.value}`: {error}", node.start_mark) from error


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
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"The {what} cannot be read: {error}", where=str(path), hint="save the file as UTF-8 text"
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
