"""What a proposal is, and which parameters each action takes."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from python_ml.feature_columns import AGGREGATES, sorted_windows
from python_ml.names import RESERVED, identifier

VERSION = 1
Layer = Literal["bronze", "silver", "gold"]
Status = Literal["proposed", "accepted", "rejected", "applied"]
LAYERS: tuple[str, ...] = ("bronze", "silver", "gold")
DECIDED = ("accepted", "rejected", "applied")
OBEYED = ("accepted", "applied")


class Parameters(BaseModel):
    """Parameters of an action; unknown ones are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _text(value: Any) -> Any:
    """YAML reads 2.5 as a number and 2024-01-01 as a date; here they are how a value is written."""
    return value if isinstance(value, str) or value is None or isinstance(value, dict | list) else str(value)


Text = Annotated[str, BeforeValidator(_text)]


class ReadAs(Parameters):
    """``read_as``: the type that a column of text is read as; formats are strftime patterns, empty for ISO 8601.

    A row whose value cannot be read has null there, or goes to quarantine.
    """

    type: Literal["integer", "decimal", "boolean", "timestamp"]
    scale: int | None = Field(None, ge=0, le=18)
    written: Literal["plain", "decimal_comma", "grouped"] | None = None
    formats: list[str] = []
    unreadable: Literal["null", "quarantine"] = "null"

    @field_validator("formats")
    @classmethod
    def _plain(cls, value: list[str]) -> list[str]:
        for pattern in value:
            # They become part of generated code.
            if not re.fullmatch(r"[%A-Za-z0-9 :/.,+_-]+", pattern) or "%" not in pattern:
                raise ValueError(f"`{pattern}` is no pattern of strftime such as %d/%m/%Y")
        return value


class Key(Parameters):
    """``deduplicate``: of rows with the same key, the first-known stays."""

    key: str


class Nothing(Parameters):
    """An action that needs no parameter."""


class NullValues(Parameters):
    """``null_values``: values that stand for a missing one, as bronze would write them."""

    values: list[Text] = Field(min_length=1)


class Cap(Parameters):
    """``cap``: values beyond the bounds are set to them, or their rows go to quarantine."""

    low: float | None = None
    high: float | None = None
    fitted_before: Text | None = None
    then: Literal["cap", "quarantine"] = "cap"

    @model_validator(mode="after")
    def _in_order(self) -> Cap:
        if self.low is None and self.high is None:
            raise ValueError("say low, high or both")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError("low must be less than high")
        return self


class FoldCase(Parameters):
    """``fold_case``: how texts that differ only in case become one."""

    case: Literal["lower", "upper"] = "lower"


class Link(Parameters):
    """``link``: what the rows of another table bring."""

    parent: str
    parent_column: str
    brings: list[str]


class Setting(Parameters):
    """``setting``: a variable of the project."""

    value: Text

    @field_validator("value")
    @classmethod
    def _one_line(cls, value: str) -> str:
        if not value.strip() or not value.isprintable():
            raise ValueError("write one line")
        return value.strip()


class Aggregates(Parameters):
    """``measure``: how a value is aggregated, and over which of the table's windows if not over all."""

    aggregates: list[str] = Field(min_length=1)
    windows: list[str] | None = Field(None, min_length=1)

    @field_validator("aggregates")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        for aggregate in value:
            if aggregate not in AGGREGATES:
                raise ValueError(f"`{aggregate}` is no aggregate; choose from {', '.join(AGGREGATES)}")
        return list(dict.fromkeys(value))


class Window(Parameters):
    """``window``: how far the features of a table look back."""

    window: str

    @field_validator("window")
    @classmethod
    def _known(cls, value: str) -> str:
        from python_ml.errors import UserError

        try:
            sorted_windows([value])
        except UserError as error:
            raise ValueError(f"{error.what} Write 24h, 7d, 2w or all_time") from error
        return value


class Features(Parameters):
    """Features of gold that an action is about."""

    features: list[str] = Field(min_length=1)


class Transform(Features):
    """``transform``: how models that are linear in their input see numbers; fitted on training rows."""

    how: Literal["none", "asinh", "log", "power", "rank"]


class Scale(Features):
    """``scale``: how such models bring numbers to one size; fitted on training rows."""

    how: Literal["standard", "robust", "none"]


class Encode(Features):
    """``encode``: how models see categories; fitted on training rows."""

    how: Literal["one_hot", "target"]


class Interaction(Parameters):
    """``interaction``: a feature made of two others of the same row."""

    of: list[str] = Field(min_length=2, max_length=2)
    how: Literal["product", "ratio", "difference"]


ACTIONS: dict[str, tuple[tuple[str, ...], type[Parameters]]] = {
    # in the order in which they stand in the file, and are obeyed
    "read_as": (("bronze",), ReadAs),
    "null_values": (("bronze",), NullValues),
    "fold_case": (("bronze",), FoldCase),
    "cap": (("bronze",), Cap),
    "deduplicate": (("bronze",), Key),
    "drop_copies": (("bronze",), Nothing),
    "derive": (("bronze",), Nothing),
    "flag_reversals": (("bronze",), Nothing),
    "link": (("silver",), Link),
    "drop_column": (("silver",), Nothing),
    "setting": (("silver",), Setting),
    "tenure": (("silver",), Nothing),
    "attribute": (("silver",), Nothing),
    "measure": (("silver",), Aggregates),
    "window": (("silver",), Window),
    "interaction": (("gold",), Interaction),
    "exclude": (("gold",), Features),
    "transform": (("gold",), Transform),
    "scale": (("gold",), Scale),
    "encode": (("gold",), Encode),
}
_ID = re.compile(r"(bronze|silver|gold)\.[a-z0-9_]+\.[a-z_]+\.[a-z0-9_]+")


def _first(error: ValidationError, known: list[str]) -> str:
    found = error.errors()[0]
    place = ".".join(["parameters", *map(str, found["loc"])])
    if found["type"] == "extra_forbidden":
        return f"there is no {place}; known: {', '.join(known) or 'none'}"
    return f"{place}: {found['msg'].removeprefix('Value error, ')}"


class Proposal(BaseModel):
    """One thing that could be done to the data, with why, and whether it is to be.

    Attributes
    ----------
    id : str
        ``layer.table.action.subject``: the same in every run.
    layer, table, action : str
    columns : list of str
        Columns that it is about, as bronze or gold calls them.
    parameters : dict
        What the action needs; see :data:`ACTIONS`. An editor may change them.
    evidence : dict
        Figures behind it.
    reason : str
        One sentence.
    status : str
        ``proposed``, ``accepted``, ``rejected``, or ``applied``: accepted, and in the generated code.
    note : str or None
        A person's own words; kept.
    vanished : bool
        Whether the data does not suggest it any more. A person's decision stands all the same.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    layer: Layer
    table: str
    columns: list[str] = []
    action: str
    parameters: dict[str, Any] = {}
    evidence: dict[str, bool | int | float | str | list[str]] = {}
    reason: str
    status: Status = "proposed"
    note: str | None = None
    vanished: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Proposal:
        if self.action not in ACTIONS:
            raise ValueError(f"there is no action `{self.action}`; known: {', '.join(ACTIONS)}")
        layers, kind = ACTIONS[self.action]
        if self.layer not in layers:
            raise ValueError(f"`{self.action}` belongs to {' or '.join(layers)}, not to {self.layer}")
        if not _ID.fullmatch(self.id) or not self.id.startswith(f"{self.layer}.{self.table}.{self.action}."):
            raise ValueError(f"the id must read {self.layer}.{self.table}.{self.action}.<subject>")
        if self.action == "interaction" and (self.subject in RESERVED or not self.subject[0].isalpha()):
            raise ValueError(f"`{self.subject}` cannot be the name of a column; {identifier(self.subject)} can")
        try:
            kind.model_validate(self.parameters)
        except ValidationError as error:
            raise ValueError(_first(error, list(kind.model_fields))) from error
        return self

    @property
    def subject(self) -> str:
        """The last part of the id: a column, a window, a setting."""
        return self.id.rsplit(".", 1)[1]

    @property
    def is_obeyed(self) -> bool:
        """Whether generated code is to show it."""
        return self.status in OBEYED

    @property
    def given(self) -> Any:
        """The parameters as the action's own class."""
        return ACTIONS[self.action][1].model_validate(self.parameters)


def proposal(
    layer: str,
    table: str,
    action: str,
    subject: str,
    reason: str,
    *,
    columns: list[str] | None = None,
    parameters: dict[str, Any] | None = None,
    evidence: dict[str, Any] | None = None,
    status: Status = "proposed",
) -> Proposal:
    """Make a proposal; its id follows from what it is about."""
    return Proposal(
        id=f"{layer}.{table}.{action}.{subject}",
        layer=layer,
        table=table,
        columns=[subject] if columns is None else columns,
        action=action,
        parameters=parameters or {},
        evidence={key: value for key, value in (evidence or {}).items() if value is not None},
        reason=reason,
        status=status,
    )


def order(entry: Proposal) -> tuple:
    """Where a proposal stands in the file: by layer, table, action, subject; windows from short to long."""
    subject: Any = entry.subject
    if entry.action == "window":
        from python_ml.feature_columns import window_hours

        subject = f"{window_hours(entry.given.window):020.1f}"
    return LAYERS.index(entry.layer), entry.table, list(ACTIONS).index(entry.action), subject
