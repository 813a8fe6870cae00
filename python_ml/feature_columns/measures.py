"""Measures: what is aggregated, which results that gives, and how they read in a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from python_ml.durations import sorted_windows
from python_ml.errors import UserError

NUMBER, TEXT, BOOLEAN = "number", "text", "boolean"
DOUBLE = "double"  # a type of numbers


class _Aggregate(NamedTuple):
    """What an aggregate takes and gives; ``text`` names the measure (one, many) and the events."""

    kinds: tuple[str, ...]
    data_type: str
    text: str


_ANY_KIND = (NUMBER, TEXT, BOOLEAN)

_AGGREGATES = {
    "count": _Aggregate(_ANY_KIND, "bigint", "Number of {events} with a value of {one}"),
    "sum": _Aggregate((NUMBER,), "double", "Sum of {one} of {events}"),
    "mean": _Aggregate((NUMBER,), "double", "Mean {one} of {events}"),
    "min": _Aggregate((NUMBER,), "double", "Smallest {one} of {events}"),
    "max": _Aggregate((NUMBER,), "double", "Largest {one} of {events}"),
    "variance": _Aggregate((NUMBER,), "double", "Variance of {one} of {events}"),
    "stddev": _Aggregate((NUMBER,), "double", "Standard deviation of {one} of {events}"),
    "slope": _Aggregate((NUMBER,), "double", "Trend per day (least squares) of {one} of {events}"),
    "first": _Aggregate((NUMBER, TEXT), "double", "First {one} of {events}"),
    "last": _Aggregate((NUMBER, TEXT), "double", "Last {one} of {events}"),
    "last_per_mean": _Aggregate((NUMBER,), "double", "Ratio of the last {one} to the mean {one} of {events}"),
    "nunique": _Aggregate(_ANY_KIND, "bigint", "Number of different {many} of {events}"),
    "mode": _Aggregate(_ANY_KIND, "string", "Commonest {one} of {events}"),
    "entropy": _Aggregate(_ANY_KIND, "double", "Entropy of {many} of {events}"),
    "any": _Aggregate((BOOLEAN,), "boolean", "Whether {one} is true of any of the {events}"),
    "all": _Aggregate((BOOLEAN,), "boolean", "Whether {one} is true of all of the {events}"),
    "share": _Aggregate((BOOLEAN,), "double", "Share of {events} of which {one} is true"),
}

AGGREGATES = tuple(_AGGREGATES)

# What is made of every value on its own when a measure lists `values` but no category to split by.
_OF_VALUES = {"count": "Number of {events} with {one} {value}", "share": "Share of {events} with {one} {value}"}


@dataclass(frozen=True)
class Measure:
    """A value of an event that is aggregated over windows: one entry of ``measures`` of the macro.

    Attributes
    ----------
    name : str
        Part of the column names.
    expression : str
        SQL over the events' columns.
    aggregates : tuple of str
        Some of :data:`AGGREGATES`.
    label : str
        How the value reads in a sentence, such as ``line amount``.
    windows : tuple of str or mapping of str to tuple of str, optional
        Fewer windows than the source has, or such windows by aggregate.
    where : str, optional
        SQL condition on the rows that count.
    type : str, optional
        Type of numbers, such as ``decimal(18, 4)`` or ``double``; else ``text`` or ``boolean``. Without it, values are
        booleans when any, all or share is among the aggregates, else numbers.
    by : str, optional
        SQL of a category: every one of ``values`` gets the aggregates of its own rows.
    values : sequence of str or mapping of name to value, optional
        With ``by``, values of the category; without, values of the measure itself, for ``count`` and ``share``.
    plural : str
        Several values in a sentence, such as ``categories``; by default the label, else ``values of`` the name.
    by_label : str
        The category in a sentence; by default the column that ``by`` names.
    """

    name: str
    expression: str
    aggregates: tuple[str, ...]
    label: str = ""
    windows: tuple[str, ...] | Mapping[str, tuple[str, ...]] | None = None
    where: str | None = None
    type: str | None = None
    by: str | None = None
    values: Sequence[str] | Mapping[str, str] | None = None
    plural: str = ""
    by_label: str = ""

    @property
    def display_name(self) -> str:
        """The label, else the name with blanks."""
        return self.label or self.name.replace("_", " ")

    @property
    def kind(self) -> str:
        """``number``, ``text`` or ``boolean``."""
        if self.type in (TEXT, BOOLEAN):
            return self.type
        truths = {a for a, known in _AGGREGATES.items() if known.kinds == (BOOLEAN,)}
        return BOOLEAN if self.type is None and truths.intersection(self.together) else NUMBER

    @property
    def together(self) -> tuple[str, ...]:
        """The aggregates that are not made of every value on its own."""
        alone = () if self.by is not None or not self.values else tuple(_OF_VALUES)
        return tuple(a for a in self.aggregates if a not in alone)

    def declaration(self) -> dict[str, Any]:
        """The measure as an entry of the macro's argument ``measures``."""
        given: dict[str, Any] = {"name": self.name, "expression": self.expression, "aggregates": list(self.aggregates)}
        for key in ("type", "where", "by"):
            if getattr(self, key) is not None:
                given[key] = getattr(self, key)
        if self.values is not None:
            given["values"] = dict(self.values) if isinstance(self.values, Mapping) else list(self.values)
        if isinstance(self.windows, Mapping):
            given["windows"] = {aggregate: list(windows) for aggregate, windows in self.windows.items()}
        elif self.windows is not None:
            given["windows"] = list(self.windows)
        return given


class Result(NamedTuple):
    """One aggregate of one measure, over all of its windows.

    ``text`` leaves out the window: ``Mean amount of orders``.
    """

    measure: str
    aggregate: str
    windows: tuple[str, ...]
    data_type: str
    text: str


def results(source: str, measure: Measure, windows: Sequence[str], events: str) -> Iterator[Result]:
    """Go through the results of a measure, split by its values, in the macro's order.

    Parameters
    ----------
    source : str
        For messages.
    measure : Measure
    windows : sequence of str
        Of the source, sorted.
    events : str
        What the rows are, in the plural.

    Raises
    ------
    UserError
        When an aggregate is not known or does not fit the type, or values cannot be told apart by name.
    """
    where = f"measure {measure.name} of {source}"
    _check(measure, where)
    by_aggregate = measure.windows if isinstance(measure.windows, Mapping) else {}
    shared = windows if by_aggregate or measure.windows is None else sorted_windows(measure.windows)
    names = {
        "one": measure.display_name,
        "many": measure.plural or measure.label or f"values of {measure.display_name}",
    }

    def result(name: str, aggregate: str, pattern: str, rows: str, value: str = "") -> Result:
        data_type = _AGGREGATES[aggregate].data_type
        if aggregate in ("first", "last") and measure.kind == TEXT:
            data_type = "string"
        own = sorted_windows(by_aggregate[aggregate]) if by_aggregate else shared
        return Result(name, aggregate, tuple(own), data_type, pattern.format(**names, events=rows, value=value))

    if not measure.values:
        for aggregate in measure.aggregates:
            yield result(measure.name, aggregate, _AGGREGATES[aggregate].text, events)
        return
    split = {f"{measure.name}_{suffix}": _shown(value) for suffix, value in _suffixes(measure.values, where).items()}
    if measure.by is not None:
        by = measure.by_label or (measure.by.replace("_", " ") if re.fullmatch(r"\w+", measure.by) else "group")
        for name, value in split.items():
            for aggregate in measure.aggregates:
                yield result(name, aggregate, _AGGREGATES[aggregate].text, f"{events} with {by} {value}")
        return
    for aggregate in measure.together:
        yield result(measure.name, aggregate, _AGGREGATES[aggregate].text, events)
    for name, value in split.items():
        for aggregate in measure.aggregates:
            if aggregate in _OF_VALUES:
                yield result(name, aggregate, _OF_VALUES[aggregate], events, value)


def _check(measure: Measure, where: str) -> None:
    if measure.type not in (None, TEXT, BOOLEAN, DOUBLE) and not re.fullmatch(r"decimal\(\d+, ?\d+\)", measure.type):
        raise UserError(
            f"`{measure.type}` is not a type of a measure.",
            where=where,
            hint="write decimal(18, 4), double, text or boolean, for instance",
        )
    if measure.type == DOUBLE and "slope" in measure.aggregates:
        raise UserError(
            "The aggregate `slope` is not for doubles, whose sums of products are not exact.",
            where=where,
            hint="set the measure's type to a decimal such as decimal(18, 6)",
        )
    if isinstance(measure.windows, Mapping) and set(measure.windows) != set(measure.aggregates):
        raise UserError(
            "Windows by aggregate are not those of the aggregates.",
            where=where,
            hint=f"give windows to each of {', '.join(measure.aggregates)}, and to nothing else",
        )
    if measure.by is not None and not measure.values:
        raise UserError("A measure is split without values.", where=where, hint="add `values` to `by`")
    for aggregate in measure.aggregates:
        if aggregate not in _AGGREGATES:
            raise UserError(
                f"The aggregate `{aggregate}` is not known.",
                where=where,
                hint="choose from " + ", ".join(AGGREGATES),
            )
    if measure.values and measure.by is None and measure.together == measure.aggregates:
        raise UserError(
            "Values are listed, but nothing is made of them.",
            where=where,
            hint="ask for " + " or ".join(_OF_VALUES) + ", or say with `by` which category they are of",
        )
    for aggregate in measure.together:
        kinds = _AGGREGATES[aggregate].kinds
        if measure.kind not in kinds:
            fitting = [name for name, known in _AGGREGATES.items() if measure.kind in known.kinds]
            raise UserError(
                f"The aggregate `{aggregate}` needs a {' or a '.join(kinds)}, not a {measure.kind}.",
                where=where,
                hint=f"set the measure's type to {_TYPES[kinds[0]]}, or choose from " + ", ".join(fitting),
            )


_TYPES = {NUMBER: "a decimal such as decimal(18, 4), or double", TEXT: "text", BOOLEAN: "boolean"}


def _suffixes(values: Sequence[str] | Mapping[str, str], where: str) -> dict[str, str]:
    """Values by what they add to the measure's name."""
    named: dict[str, str] = {}
    pairs = values.items() if isinstance(values, Mapping) else ((_suffix(str(value)), value) for value in values)
    for suffix, value in pairs:
        if not re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", suffix) or suffix in named:
            raise UserError(
                f"The values `{named[suffix]}` and `{value}` would have the same name, {suffix}."
                if suffix in named
                else f"The value `{value}` has no name that a column can have.",
                where=where,
                hint="name the values yourself: values={'a_name': 'the value', …}",
            )
        named[suffix] = str(value)
    return named


def _suffix(value: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", value.lower()).strip("_")


def _shown(value: str) -> str:
    """A value for a description, which dbt renders: one line, no Jinja."""
    return re.sub(r"\{(?=[{%#])", "{ ", " ".join(value.split()))
