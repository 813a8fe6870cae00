"""Actions on the rows of bronze: rows of nobody, copies, versions, reversals, and columns computed within a row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pydantic import Field, field_validator

from python_ml.plan.actions.base import Action, NotApplicable, SourceAction, Text, names_in, require_columns
from python_ml.plan.base import PlanFacts
from python_ml.plan.columns import key_of
from python_ml.plan.measures import derived_amount, reversal_of, reversal_plan
from python_ml.plan.schema import COPY_REASON, DerivedColumn, ProjectPlan, SourcePlan


class Nobody(SourceAction):
    """Codes of the customer's column that stand for nobody: their rows are quarantined."""

    layer, action, initial_status = "bronze", "nobody", "accepted"
    values: list[Text] = Field(min_length=1)

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        for name, codes in facts.roles.customer.nobody.items():
            source = facts.planned[name]
            if name == facts.options.labels or not source.entity:
                continue
            text = ", ".join(f"{value!r} in {rows:,} of {source.counts.rows:,} rows" for value, rows in codes)
            yield cls.proposal(
                name,
                source.entity,
                f"A code for no customer holds an outsized share of the rows: {text}.",
                evidence={"rows": sum(rows for _, rows in codes)},
                values=[value for value, _ in codes],
            )

    def changes(self, plan: ProjectPlan, source: SourcePlan) -> dict[str, Any]:
        return {"nobody": tuple(self.values)}


class Deduplicate(SourceAction):
    """Of rows with the same key, the first-known stays.

    ``key`` names one column, or several joined by ``+``.
    """

    layer, action, initial_status = "bronze", "deduplicate", "accepted"
    key: str

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        for source in facts.data_sources:
            table = facts.table(source.name)
            key = [facts.names[source.name][c] for c in key_of(table, facts.roles)]
            if table.versions is not None or not key:
                continue
            joined = "+".join(key)
            copies = source.counts.quarantined.get(f"duplicate {joined}", 0)
            text = f"{copies:,} rows are copies of another" if copies else "no row is a copy so far"
            yield cls.proposal(
                source.name,
                "_".join(key)[:60],
                f"`{joined}` identifies rows; {text}. The copy that was known first stays.",
                columns=key,
                evidence={"rows": source.counts.rows, "copies": copies},
                key=joined,
            )

    def changes(self, plan: ProjectPlan, source: SourcePlan) -> dict[str, Any]:
        key = tuple(part.strip() for part in self.key.split("+"))
        require_columns(source, key)
        return {"key": key}


class Versions(SourceAction):
    """Rows that are versions of one another: at T, the newest version known before T counts."""

    layer, action, initial_status = "bronze", "versions", "accepted"
    key: str
    changed_at: str

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        for source in facts.data_sources:
            versions = facts.table(source.name).versions
            if versions is None:
                continue
            key, changed_at = (facts.names[source.name][c] for c in (versions.key, versions.changed_at))
            yield cls.proposal(
                source.name,
                key,
                f"{versions.several:,} of {versions.keys:,} values of `{key}` have several rows that differ in "
                f"`{changed_at}`: versions of one row.",
                columns=[key, changed_at],
                evidence={"keys": versions.keys, "several": versions.several},
                key=key,
                changed_at=changed_at,
            )

    def changes(self, plan: ProjectPlan, source: SourcePlan) -> dict[str, Any]:
        require_columns(source, (self.key, self.changed_at))
        return {"key": (self.key,), "available": self.changed_at, "superseded": "superseded_at"}


class DropCopies(SourceAction):
    """Exact copies of a row are quarantined although the table has no key."""

    layer, action, is_safe = "bronze", "drop_copies", False

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        for source in facts.data_sources:
            table = facts.table(source.name)
            copies = table.rows - table.different_rows
            if copies and not key_of(table, facts.roles):
                yield cls.proposal(
                    source.name,
                    "rows",
                    f"{copies:,} rows equal another row in every column; without a key, only you know whether a "
                    "line was really entered twice.",
                    columns=[],
                    evidence={"rows": source.counts.rows, "copies": copies},
                )

    def changes(self, plan: ProjectPlan, source: SourcePlan) -> dict[str, Any]:
        if source.key:
            raise NotApplicable(f"{source.name} has a key: copies of it are quarantined already")
        quarantined = {**source.counts.quarantined, COPY_REASON: int(self.evidence.get("copies", 0))}
        return {"drops_copies": True, "counts": replace(source.counts, quarantined=quarantined)}


class Derive(SourceAction):
    """A column that bronze computes from others of the same row."""

    layer, action, initial_status = "bronze", "derive", "accepted"
    expression: str = Field(pattern=r"^[a-z_][a-z0-9_]* \* [a-z_][a-z0-9_]*$")
    scale: int = Field(4, ge=0, le=10)

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        for source in facts.event_sources:
            if (derived := derived_amount(source.columns)) is not None:
                yield cls.proposal(
                    source.name,
                    derived.name,
                    f"{derived.description.rstrip('.')}: the file has no total.",
                    columns=sorted(names_in(derived.expression)),
                    expression=derived.expression,
                    scale=derived.scale,
                )

    def changes(self, plan: ProjectPlan, source: SourcePlan) -> dict[str, Any]:
        numbers = {c.name for c in source.columns if c.role == "number" and c.type != "text"}
        if not names_in(self.expression) <= numbers:
            raise NotApplicable(f"{self.expression} needs numbers that are not read as such")
        text = self.expression.replace("_", " ").replace(" * ", " times ").capitalize()
        derived = DerivedColumn(self.subject, self.expression, f"{text}.", self.scale)
        return {"derived": (*source.derived, derived)}


class FlagReversals(SourceAction):
    """Reversals are no activity, and have features of their own."""

    layer, action, initial_status = "bronze", "flag_reversals", "accepted"
    condition: str

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        taken = set(facts.planned)
        for source in facts.event_sources:
            derived = derived_amount(source.columns)
            reversal = reversal_of(facts.table(source.name), source.columns, facts.names[source.name], derived, taken)
            if reversal is None:
                continue
            taken.add(reversal.name)
            yield cls.proposal(
                source.name,
                reversal.name,
                f"{reversal.rows:,} rows are reversals ({reversal.text}): no activity, and features of their own.",
                columns=sorted(names_in(reversal.condition) & {c.name for c in source.columns}),
                evidence={"rows": reversal.rows, "of": source.counts.rows},
                condition=reversal.condition,
            )

    @field_validator("condition")
    @classmethod
    def _plain(cls, value: str) -> str:
        part = r"[a-z_][a-z0-9_]* (< 0|like '[A-Za-z]%')"
        if not re.fullmatch(rf"{part}( or {part})*", value):
            raise ValueError("write conditions such as quantity < 0 or invoice_no like 'C%', joined by or")
        return value

    def changes(self, plan: ProjectPlan, source: SourcePlan) -> dict[str, Any]:
        for name in re.findall(r"([a-z_][a-z0-9_]*) < 0", self.condition):
            column = source.column(name)
            if column is None or column.type == "text":
                raise NotApplicable(f"{name} is not read as a number")
        rows = int(self.evidence.get("rows", 0))
        return {"reversal": reversal_plan(self.subject, self.condition, rows, source.columns, source.derived)}
