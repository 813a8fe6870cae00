"""Where the texts of a column come from: what their Python model of dbt says in its call of ``text_components``."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from python_ml.errors import UserError

if TYPE_CHECKING:
    from python_ml.project import Project


@dataclass(frozen=True)
class TextSource:
    """The rows that have the texts of a column.

    Attributes
    ----------
    text : str
        Source and column, such as ``tickets.body``.
    rows : str
        ``schema.table``.
    known_at : tuple of str
        Columns whose latest time says when a row was known.
    labels : tuple of str
        Labels that become columns.
    """

    text: str
    rows: str
    known_at: tuple[str, ...]
    labels: tuple[str, ...]


def text_sources(project: Project) -> dict[str, TextSource]:
    """The text columns of a project, from dbt's manifest.

    Raises
    ------
    UserError
        When dbt has not run yet, or a model says with variables what only literals can say to a reader.
    """
    nodes = project.manifest["nodes"].values()
    models = {node["name"]: node for node in nodes if node["resource_type"] == "model"}
    sources = {}
    for node in models.values():
        for call in _calls(node):
            source = _source(call, models, str(node.get("original_file_path", node["name"])))
            sources[source.text] = source
    return sources


def _calls(node: dict[str, Any]) -> Iterator[ast.Call]:
    code = node.get("raw_code") or ""
    if node.get("language") != "python" or "text_components" not in code:
        return
    for part in ast.walk(ast.parse(code)):
        if isinstance(part, ast.Call) and "text_components" in (getattr(part.func, a, None) for a in ("id", "attr")):
            yield part


def _source(call: ast.Call, models: dict[str, Any], where: str) -> TextSource:
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    given |= dict(zip(("session", "rows"), call.args, strict=False))
    try:
        rows = models[ast.literal_eval(given["rows"].args[-1])]
        known_at, labels = (
            tuple(ast.literal_eval(given[name])) if name in given else () for name in ("known_at", "text_labels")
        )
        text = ast.literal_eval(given["text"])
    except (KeyError, AttributeError, IndexError, ValueError) as error:
        raise UserError(
            "The call of text_components cannot be read.",
            where=where,
            hint='give it dbt.ref("...") and literal values, as docs/guides/text.md shows',
        ) from error
    return TextSource(text, f"{rows['schema']}.{rows['alias']}", known_at, labels)
