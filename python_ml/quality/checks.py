"""What a quality suite is made of: checks, and their outcomes. Plain data, no library."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

CRITICAL, WARNING = "critical", "warning"
TRAINING, SCORING = "training", "scoring"
TABLES = {TRAINING: "gold.gld_training_set", SCORING: "gold.gld_scoring_set"}

# Name of a check -> what it looks at. With a column behind it, it is the name by which `quality.accept` overrules it.
ABOUT = {
    "columns": "every column that is needed is there",
    "key_present": "no part of the key is empty",
    "key_unique": "no key is there twice",
    "row_count": "there are as many rows as there should be",
    "freshness": "the newest rows are as new as the data",
    "future": "no time lies behind the end of the data",
    "type": "values are of the kind that is registered",
    "sign": "what cannot be negative is not",
    "empty": "somebody has a value",
    "null_rate": "no more values are empty than is usual",
    "range": "numbers lie where they usually lie",
    "categories": "categories are known ones",
}
OF_FRAME = ("columns", "key_present", "key_unique", "row_count")
# Without these no model can be fitted or applied, whatever the reason.
INDISPENSABLE = ("columns", "key_present", "key_unique")


@dataclass(frozen=True)
class Check:
    """One expectation of a frame.

    Attributes
    ----------
    name : str
        One of :data:`ABOUT`.
    column : str or None
        None when it concerns the frame.
    expectation : str
        Great Expectations' name for it, such as ``expect_column_values_to_be_between``.
    arguments : dict
        Its arguments, besides the column.
    allowed : str
        What is allowed and where that comes from.
    severity : str
        ``critical`` or ``warning``.
    critical_above, critical_below : float or None
        Share of unexpected rows, or observed number, beyond which a failed warning is critical.
    hint : str
        What can be done about a failure.
    rows : str
        Which rows it looks at, where not at all of them.
    """

    name: str
    column: str | None
    expectation: str
    arguments: dict[str, Any]
    allowed: str
    severity: str = WARNING
    critical_above: float | None = None
    critical_below: float | None = None
    hint: str = ""
    rows: str = ""

    @property
    def id(self) -> str:
        """The name by which it is overruled: ``row_count``, or ``null_rate orders_count_30d``."""
        return self.name if self.column is None else f"{self.name} {self.column}"

    @property
    def needs(self) -> set[str]:
        """The columns that must be there to run it."""
        if self.column is not None:
            return {self.column}
        return {self.arguments["column"]} if "column" in self.arguments else set(self.arguments.get("column_list", ()))


@dataclass(frozen=True)
class Outcome:
    """What became of a check.

    Attributes
    ----------
    check : Check
    success : bool or None
        None when it could not be run, since the column is missing or of another type.
    severity : str
        As judged from the figures.
    observed : str
        What the frame shows.
    examples : tuple of str
        Some values that were not expected.
    accepted : str or None
        Reason for which a failure is let through.
    """

    check: Check
    success: bool | None
    severity: str
    observed: str
    examples: tuple[str, ...] = ()
    accepted: str | None = None

    @property
    def sentence(self) -> str:
        """Column, check, figures and the expectation, in one line."""
        about = f"`{self.check.column}`: " if self.check.column is not None else ""
        shown = f" ({', '.join(self.examples)})" if self.examples else ""
        rows = f", {self.check.rows}" if self.check.rows else ""
        return (
            f"{about}{self.observed}{shown}{rows}; {self.check.allowed} [{self.check.name}: {self.check.expectation}]"
        )

    def to_dict(self) -> dict[str, Any]:
        """For ``quality.json``."""
        check = asdict(self.check) | {"arguments": {name: _plain(v) for name, v in self.check.arguments.items()}}
        own = {name: getattr(self, name) for name in ("success", "severity", "observed", "accepted")}
        return {"id": self.check.id, **check, **own, "examples": list(self.examples)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Outcome:
        """Read what :meth:`to_dict` wrote; ``severity`` is the judged one."""
        fields = {name: data[name] for name in Check.__dataclass_fields__}
        return cls(
            check=Check(**fields),
            success=data["success"],
            severity=data["severity"],
            observed=data["observed"],
            examples=tuple(data["examples"]),
            accepted=data["accepted"],
        )


@dataclass(frozen=True)
class Verdict:
    """All outcomes of one suite.

    Attributes
    ----------
    suite : str
        ``training`` or ``scoring``.
    rows : int
        Rows of the frame.
    compared_with : str
        What the frame was compared with.
    outcomes : list of Outcome
    notes : list of str
        What could not be compared, and why.
    """

    suite: str
    rows: int
    compared_with: str
    outcomes: list[Outcome] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def refused(self) -> list[Outcome]:
        """Critical failures that nobody accepted."""
        return [o for o in self.failed if o.severity == CRITICAL and o.accepted is None]

    @property
    def failed(self) -> list[Outcome]:
        """Failures, critical ones first."""
        failed = [outcome for outcome in self.outcomes if outcome.success is False]
        return sorted(failed, key=lambda outcome: (outcome.severity != CRITICAL, outcome.accepted is not None))

    def warnings(self, most: int = 8) -> list[str]:
        """A sentence for each failure that does not stop, accepted ones with their reason.

        Parameters
        ----------
        most : int
            As many are listed one by one; the rest are counted. Accepted ones are all listed.
        """
        accepted = [o for o in self.failed if o.accepted is not None]
        others = [o for o in self.failed if o.accepted is None and o.severity == WARNING]
        messages = [f"Data quality, accepted because: {o.accepted}. {o.sentence}" for o in accepted]
        messages += [f"Data quality: {outcome.sentence}" for outcome in others[:most]]
        if len(others) > most:
            messages.append(f"Data quality: {len(others) - most} more warnings are in reports/quality.html.")
        return messages

    def to_dict(self) -> dict[str, Any]:
        """For ``quality.json``."""
        return {
            "suite": self.suite,
            "rows": self.rows,
            "compared_with": self.compared_with,
            "passed": not self.refused,
            **counts(self.outcomes),
            "notes": self.notes,
            "outcomes": [outcome.to_dict() for outcome in self.outcomes],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Verdict:
        """Read what :meth:`to_dict` wrote."""
        return cls(
            suite=data["suite"],
            rows=data["rows"],
            compared_with=data["compared_with"],
            outcomes=[Outcome.from_dict(outcome) for outcome in data["outcomes"]],
            notes=list(data["notes"]),
        )


def counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many checks were run, and how they ended."""

    def many(chosen: Iterable[bool]) -> int:
        return sum(1 for one in chosen if one)

    failed = [outcome for outcome in outcomes if outcome.success is False]
    return {
        "checks": len(outcomes),
        "critical": many(o.severity == CRITICAL and o.accepted is None for o in failed),
        "warnings": many(o.severity == WARNING and o.accepted is None for o in failed),
        "accepted": many(o.accepted is not None for o in failed),
        "skipped": many(o.success is None for o in outcomes),
    }


def _plain(value: Any) -> Any:
    """A value of an argument as JSON has it."""
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
