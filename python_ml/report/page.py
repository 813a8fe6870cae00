"""What every page has in common: its style inline, nothing that loads or runs, and every value escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from python_ml import formatting

TEMPLATES = Path(__file__).parent / "templates"

# Names and values from outside may hold anything: what HTML forbids in text, and marks that turn the
# direction of all text behind them (the page isolates names, so right-to-left names need no such marks).
FORBIDDEN = dict.fromkeys(
    (*range(9), 11, 12, *range(14, 32), 127, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFFFE, 0xFFFF)
)

FILTERS: dict[str, Callable[..., str]] = {
    "count": formatting.integer,
    "counted": formatting.counted,
    "decimal": formatting.decimal,
    "percent": formatting.percent,
    "date": formatting.date,
    "title_of": formatting.model_title,
}


def render(
    page: str,
    values: Mapping[str, Any],
    *,
    folder: Path = TEMPLATES,
    sheets: tuple[str, ...] = (),
    filters: Mapping[str, Callable[..., str]] | None = None,
) -> str:
    """Render a page from its template.

    Parameters
    ----------
    page : str
        Name of the template. It puts ``style`` into its style element as it is, and ``style_hash`` into its policy.
    values : mapping of str to object
        Values for the template.
    folder : Path
        Where the template and its parts are, besides those of the report.
    sheets : tuple of str
        Style sheets in ``folder`` that follow the report's own.
    filters : mapping of str to callable, optional
        Filters besides :data:`FILTERS`.

    Returns
    -------
    str
        An HTML page that depends on the arguments alone.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([folder, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {**FILTERS, **(filters or {})}
    paths = (TEMPLATES / "report.css", *(folder / sheet for sheet in sheets))
    style = "\n" + "\n".join(path.read_text(encoding="utf-8") for path in paths)
    style_hash = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template(page).render(values, style=style, style_hash=style_hash).translate(FORBIDDEN)
