"""What every page has in common: one template around it, its style inline; nothing loads, no foreign script runs."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml import formatting

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"

# What HTML forbids in text, and marks that turn the direction of all text behind them (the pages isolate names, so
# right-to-left names need no such marks).
_FORBIDDEN = dict.fromkeys(
    (*range(9), 11, 12, *range(14, 32), 127, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFFFE, 0xFFFF)
)
_FILTERS = {
    "count": formatting.integer,
    "counted": formatting.counted,
    "decimal": formatting.decimal,
    "percent": formatting.percent,
    "date": formatting.date,
    "duration": formatting.duration,
    "model_title": formatting.model_title,
}


def cleaned(text: str) -> str:
    """Drop the characters that no page may hold; half a surrogate becomes a question mark."""
    return text.translate(_FORBIDDEN).encode("utf-8", "replace").decode("utf-8")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= _FILTERS
    return environment


def render(name: str, values: Mapping[str, Any], scripts: Sequence[str] = ()) -> str:
    """Render a page.

    Parameters
    ----------
    name : str
        Of its template and of the style sheet that follows the common one: ``report``, ``quality``, ``profile``,
        ``card``.
    values : mapping of str to object
        Values for the template.
    scripts : sequence of str
        Names of the files that the page's one script is made of; none for a page that runs nothing.

    Returns
    -------
    str
        An HTML page that depends on the arguments alone. Values are escaped, and the page's own policy forbids loads,
        every style and script but its own, and for the script to make markup of text.
    """
    style = _joined(f"{sheet}.css" for sheet in ("base", name))
    script = _joined(f"{part}.js" for part in scripts)
    own = {"style": style, "style_hash": _hash(style), "script": script, "script_hash": _hash(script)}
    return cleaned(_environment().get_template(f"{name}.html.j2").render(values, **own))


def _joined(names: Iterable[str]) -> str:
    return "".join("\n" + (TEMPLATES / name).read_text(encoding="utf-8") for name in names)


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def fragment(name: str, values: Mapping[str, Any]) -> str:
    """Render a template without a page around it, for a notebook; values are escaped."""
    return cleaned(_environment().get_template(f"{name}.html.j2").render(values))
