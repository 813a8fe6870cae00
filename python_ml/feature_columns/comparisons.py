"""Comparisons: one result of a source against itself, over two or three windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from python_ml.durations import ALL_TIME, sorted_windows, window_text
from python_ml.errors import UserError
from python_ml.feature_columns.measures import Result

# How each kind reads; an acceleration is a change of velocities, (a - b) - (b - c).
_TEXTS = {
    "ratio": "{what} {a} the feature time, divided by that {b} it",
    "difference": "{what} {a} the feature time, less that {b} it",
    "velocity": "{what} per day {a} the feature time, less that {b} it",
    "momentum": "{what} per day {a} the feature time, divided by that {b} it",
    "acceleration": "{what} per day {a} the feature time, less twice that {b} it, plus that {c} it",
}
KINDS = tuple(_TEXTS)
_PER_DAY = ("velocity", "momentum", "acceleration")
_NUMBERS = ("bigint", "double")


@dataclass(frozen=True)
class Comparison:
    """One entry of ``comparisons`` of the macro.

    Attributes
    ----------
    of : str
        ``count``, or ``<measure>_<aggregate>`` of a measure (after the split by values).
    kind : str
        One of :data:`KINDS`.
    windows : tuple of str
        From short to long: three for ``acceleration``, else two.
    """

    of: str
    kind: str
    windows: tuple[str, ...]

    @property
    def name(self) -> str:
        """The column's name without the source."""
        return "_".join((self.of, self.kind, *self.windows))

    def declaration(self) -> dict[str, Any]:
        """The comparison as an entry of the macro's argument ``comparisons``."""
        return {"of": self.of, "kind": self.kind, "windows": list(self.windows)}


def describe(source: str, comparison: Comparison, compared: Sequence[Result]) -> str:
    """Say in a sentence what a comparison is.

    Parameters
    ----------
    source : str
        For messages.
    comparison : Comparison
    compared : sequence of Result
        What there is to compare; the count of events has the measure ``""``.

    Raises
    ------
    UserError
        When the comparison is of something that does not exist or that the kind has no meaning for.
    """
    where = f"comparison {comparison.name} of {source}"
    if comparison.kind not in _TEXTS:
        raise UserError(
            f"`{comparison.kind}` is not a kind of comparison.", where=where, hint="choose from " + ", ".join(KINDS)
        )
    numbers = {"_".join(p for p in (r.measure, r.aggregate) if p): r for r in compared if r.data_type in _NUMBERS}
    result = numbers.get(comparison.of)
    if result is None:
        raise UserError(
            f"There is no number `{comparison.of}` to compare.", where=where, hint="choose from " + ", ".join(numbers)
        )
    needed = 3 if comparison.kind == "acceleration" else 2
    windows = list(comparison.windows)
    if len(windows) != needed or len(set(windows)) != needed or windows != sorted_windows(windows):
        raise UserError(
            f"A {comparison.kind} needs {needed} windows from short to long, not {', '.join(windows) or 'none'}.",
            where=where,
            hint=f"choose {needed} of " + ", ".join(result.windows),
        )
    missing = [window for window in windows if window not in result.windows]
    if missing:
        raise UserError(
            f"`{comparison.of}` is not made over {missing[0]}.",
            where=where,
            hint="choose from " + ", ".join(result.windows),
        )
    if comparison.kind in _PER_DAY:
        if result.aggregate not in ("count", "sum"):
            raise UserError(
                f"A {comparison.kind} is a change per day, which only counts and sums have.",
                where=where,
                hint="choose ratio or difference, or compare a count or a sum",
            )
        if ALL_TIME in windows:
            raise UserError(
                f"A {comparison.kind} is a change per day, and {ALL_TIME} has no length.",
                where=where,
                hint="choose windows with a length",
            )
    spans = dict(zip("abc", map(window_text, windows), strict=False))
    return _TEXTS[comparison.kind].format(what=result.text, **spans)
