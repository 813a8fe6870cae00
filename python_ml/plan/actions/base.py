"""What an action is: something that can be done to the data, with why, and whether it is to be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

if TYPE_CHECKING:
    from python_ml.plan.base import PlanFacts
    from python_ml.plan.schema import ColumnPlan, ProjectPlan, SourcePlan

Status = Literal["proposed", "accepted", "rejected", "applied"]
LAYERS = ("bronze", "silver", "gold")
DECIDED = ("accepted", "rejected", "applied")
ACCEPTED = ("accepted", "applied")
_SUBJECT = re.compile(r"[a-z0-9_]+")


def _text(value: Any) -> Any:
    """YAML reads 2.5 as a number and 2024-01-01 as a date; here they are how a value is written."""
    return value if isinstance(value, str | dict | list) or value is None else str(value)


Text = Annotated[str, BeforeValidator(_text)]


class NotApplicable(Exception):  # noqa: N818 - a reason, not an error
    """An accepted action that the plan cannot take, with the reason."""


class Action(BaseModel):
    """One thing that can be done to the data.

    Subclasses add their parameters as fields, and implement :meth:`propose` and :meth:`apply`; those of
    :class:`SourceAction` and :class:`ColumnAction` say what changes instead of applying it.

    Attributes
    ----------
    table : str
        Source, or ``spine`` or ``customer_features`` for what concerns all of them.
    subject : str
        Column, window or setting that it is about; part of the id.
    columns : list of str
        Columns that it is about, as bronze or gold names them.
    evidence : dict
        Figures behind it.
    reason : str
        One sentence.
    status : str
        ``proposed``, ``accepted``, ``rejected``, or ``applied``: accepted, and in the generated code.
    note : str or None
        A person's own text; kept.
    vanished : bool
        Whether the data does not suggest it any more. A person's decision stands all the same.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    layer: ClassVar[str]
    action: ClassVar[str]
    # `retention init --yes` accepts what cannot destroy real values; anything else a person decides.
    is_safe: ClassVar[bool] = True
    # A proposal without any risk is accepted at once; anything else waits for a decision.
    initial_status: ClassVar[Status] = "proposed"

    table: str
    subject: str = Field(pattern=_SUBJECT.pattern)
    columns: list[str] = []
    evidence: dict[str, bool | int | float | str | list[str]] = {}
    reason: str = ""
    status: Status = "proposed"
    note: str | None = None
    vanished: bool = False

    @classmethod
    def propose(cls, facts: PlanFacts) -> Iterator[Action]:
        """Propose it wherever the facts suggest it."""
        raise NotImplementedError

    @classmethod
    def proposal(
        cls,
        table: str,
        subject: str,
        reason: str,
        *,
        columns: list[str] | None = None,
        evidence: dict[str, Any] | None = None,
        **more: Any,
    ) -> Self:
        """One proposal, by default about the column that is its subject; figures that are None are left out."""
        figures = {name: figure for name, figure in (evidence or {}).items() if figure is not None}
        columns = [subject] if columns is None else columns
        status = {"status": cls.initial_status}
        return cls(table=table, subject=subject, columns=columns, reason=reason, evidence=figures, **(status | more))

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        """The plan with it.

        Raises
        ------
        NotApplicable
            When the plan has nothing that it could be applied to.
        """
        raise NotImplementedError

    @property
    def id(self) -> str:
        """``layer.table.action.subject``: the same in every run."""
        return f"{self.layer}.{self.table}.{self.action}.{self.subject}"

    @classmethod
    def parameter_names(cls) -> set[str]:
        """Fields of its own."""
        return set(cls.model_fields) - set(Action.model_fields)

    @property
    def parameters(self) -> dict[str, Any]:
        """What an editor may change."""
        own = self.parameter_names()
        return {k: v for k, v in self.model_dump(mode="json").items() if k in own and v is not None}

    @property
    def is_accepted(self) -> bool:
        """Whether generated code is to show it."""
        return self.status in ACCEPTED

    @property
    def may_be_accepted(self) -> bool:
        """Whether ``--yes`` accepts it: nothing that destroys values, and nothing that later events overwrite."""
        return self.is_safe and not self.evidence.get("may_be_overwritten")

    def source(self, plan: ProjectPlan) -> SourcePlan:
        """The source that it is about."""
        match = next((s for s in plan.sources if s.name == self.table), None)
        if match is None:
            raise NotApplicable(f"there is no source {self.table}")
        return match


class SourceAction(Action):
    """An action that changes one source."""

    def changes(self, plan: ProjectPlan, source: SourcePlan) -> dict[str, Any]:
        """New values of the fields of the source.

        Raises
        ------
        NotApplicable
            When it does not fit the source.
        """
        raise NotImplementedError

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        source = self.source(plan)
        return plan.with_source(replace(source, **self.changes(plan, source)))


class ColumnAction(Action):
    """An action that changes one column of bronze."""

    def changes(self, source: SourcePlan, column: ColumnPlan) -> dict[str, Any]:
        """New values of the fields of the column; none where it stays as it is.

        Raises
        ------
        NotApplicable
            When it does not fit the column.
        """
        raise NotImplementedError

    def apply(self, plan: ProjectPlan) -> ProjectPlan:
        source = self.source(plan)
        column = source.column(self.subject)
        if column is None:
            raise NotApplicable(f"there is no column {self.subject} of {self.table}")
        return plan.with_source(source.with_column(column.name, **self.changes(source, column)))


def names_in(expression: str) -> set[str]:
    """Names that an expression of bronze columns uses."""
    return set(re.findall(r"[a-z_][a-z0-9_]*", expression))


def require_columns(source: SourcePlan, names: Iterable[str]) -> None:
    """Refuse columns that a source does not have.

    Raises
    ------
    NotApplicable
    """
    if absent := [name for name in names if source.column(name) is None]:
        raise NotApplicable(f"{source.name} has no column {absent[0]}")
