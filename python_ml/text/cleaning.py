"""What a model reads of a text: without markup, control characters and runs of white space."""

from __future__ import annotations

import re
import unicodedata
from html.parser import HTMLParser

LONGEST = 4000  # characters; models read far fewer tokens than that

_MARKUP = re.compile(r"<(?:[a-zA-Z!/?][^<>]{0,2000})>|&(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|[a-zA-Z]{2,31});")
_HIDDEN = frozenset({"script", "style", "template"})
_BLOCKS = frozenset({"br", "p", "div", "li", "tr", "td", "th", "h1", "h2", "h3", "h4", "h5", "h6", "hr"})
_SPACE = re.compile(r"\s+")
# Joiners and variation selectors stay: emoji are made of them.
_KEPT_FORMAT = frozenset("\u200c\u200d")


def readable(text: str | None, longest: int = LONGEST) -> str | None:
    """Turn a value of a text column into what a model reads.

    Markup is removed (the content of scripts and styles as well), character references are resolved, and white space
    becomes single blanks.

    Parameters
    ----------
    text : str or None
    longest : int, default 4000
        Characters that are kept, from the beginning.

    Returns
    -------
    str or None
        None where nothing is left to read.

    Examples
    --------
    >>> readable("<p>Where is <b>my</b> order?</p>\\n<p>Jo &amp; Kim</p>")
    'Where is my order? Jo & Kim'
    >>> readable("  \\t ") is None
    True
    """
    if text is None:
        return None
    # Markup is longer than what it says; the bound keeps the work linear in what can be kept.
    text = text[: 20 * longest]
    if _MARKUP.search(text):
        text = _without_markup(text)
    text = unicodedata.normalize("NFC", text)
    if not text.isprintable():
        text = "".join(c if _is_visible(c) else " " for c in text)
    text = _SPACE.sub(" ", text).strip()
    return text[:longest].rstrip() or None


def _is_visible(character: str) -> bool:
    return character in _KEPT_FORMAT or not unicodedata.category(character).startswith("C")


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in _HIDDEN
        if tag in _BLOCKS:
            self.parts.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in _HIDDEN and self._hidden > 0
        if tag in _BLOCKS:
            self.parts.append(" ")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def _without_markup(text: str) -> str:
    parser = _Words()
    parser.feed(text)
    parser.close()
    return "".join(parser.parts)
