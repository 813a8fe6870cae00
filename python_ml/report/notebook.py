"""How results look in a notebook: a title, facts and a table, as text and as a fragment of HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from python_ml.formatting import aligned
from python_ml.report import page


@dataclass(frozen=True)
class Display:
    """What is shown of a result.

    Attributes
    ----------
    title : str
    facts : sequence of (str, str)
    head, table : sequences of text
        Column titles and rows; empty for none.
    """

    title: str
    facts: Sequence[tuple[str, str]] = ()
    head: Sequence[str] = ()
    table: Sequence[Sequence[str]] = ()

    def text(self) -> str:
        """As lines of text."""
        lines = [self.title]
        if self.facts:
            lines += ["  " + line for line in aligned(self.facts).splitlines()]
        if self.table:
            lines += ["", *("  " + line for line in aligned([self.head, *self.table]).splitlines())]
        return "\n".join(lines)

    def html(self) -> str:
        """As a fragment of HTML. Every name and value is escaped; nothing loads or runs."""
        return page.fragment("notebook", {"display": self})
