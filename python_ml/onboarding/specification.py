"""Everything that the generator needs to know: data without behaviour, decided before a file is written."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING

from python_ml.feature_columns import FeatureColumn, Measure
from python_ml.onboarding.reading import RawFile
from python_ml.onboarding.relations import Relations

if TYPE_CHECKING:
    from python_ml.onboarding.supplied import Supplied


@dataclass(frozen=True)
class ColumnSpec:
    """A column of a source as bronze will make it.

    Attributes
    ----------
    raw_name, name : str
        In the file, and in bronze and everything after it.
    role : str
        entity, time, available, key, number, identifier, nominal, boolean, text, time_other, constant, empty.
    type : str
        text, integer, decimal, boolean or timestamp.
    physical_type : str
        Type in the raw table.
    scale : int
        Digits after the point of a decimal.
    style : str
        How numbers are written; see :class:`python_ml.onboarding.profiling.NumberProfile`.
    formats : tuple of str
        strftime patterns of a time; empty for ISO 8601.
    has_offset : bool
        Whether its texts carry an offset from UTC.
    strip_point_zero : bool
        Whether an identifier was written as ``13085.0`` by a program that took it for a number.
    description : str
    unused : str
        Why no feature is made of it; empty when one is, or when it is a key.
    missing, distinct : int
        Rows without a value, and different values (approximately).
    null_values : tuple of str
        Values that stand for a missing one.
    fold_case : str
        ``lower`` or ``upper`` where texts that differ only in case are to become one.
    low, high : float or None
        Bounds to which values beyond them are set; with ``is_bounded``, their rows are quarantined instead.
    must_be_readable : bool
        Whether a row whose value cannot be read is quarantined.
    is_dropped : bool
        Whether nothing after the checked rows has it.
    """

    raw_name: str
    name: str
    role: str
    type: str
    physical_type: str = "VARCHAR"
    scale: int = 2
    style: str = "plain"
    formats: tuple[str, ...] = ()
    has_offset: bool = False
    strip_point_zero: bool = False
    description: str = ""
    unused: str = ""
    missing: int = 0
    distinct: int = 0
    null_values: tuple[str, ...] = ()
    fold_case: str = ""
    low: float | None = None
    high: float | None = None
    is_bounded: bool = False
    must_be_readable: bool = False
    is_dropped: bool = False

    @property
    def is_checked(self) -> bool:
        """Whether bronze keeps the raw text beside the typed value, to show what could not be read."""
        return self.type in ("integer", "decimal", "timestamp") and self.physical_type == "VARCHAR"


@dataclass(frozen=True)
class DerivedColumn:
    """A column that bronze computes from others of the same row."""

    name: str
    expression: str
    description: str
    scale: int = 4


@dataclass(frozen=True)
class Reversal:
    """Rows that take something back: returns, cancellations, refunds.

    Attributes
    ----------
    condition : str
        SQL over bronze columns.
    words : str
        The condition for people.
    rows : int
    name : str
        Source name of their own features, such as ``returns``.
    """

    condition: str
    words: str
    rows: int
    name: str
    measures: tuple[Measure, ...] = ()


@dataclass(frozen=True)
class Link:
    """How the rows of a source get the customer or the time from those of another.

    All names but those of sources are columns of bronze, or of the linked model where the source is linked itself.

    Attributes
    ----------
    parent : str
        Source name.
    column, parent_column : str
        What must be equal; the second is a key of the parent.
    spelling : str
        How both must be read to be equal; see :mod:`python_ml.onboarding.key_values`.
    brings : tuple of (str, str)
        Columns of the parent, and their names here.
    agreeing : str or None
        Column in which copies of a parent's key must agree, since the link depends on it.
    first_known : tuple of str
        Time and, where there is one, availability of the parent's own rows; empty without a time.
    known : tuple of str
        What says when a row of the parent was known: as above, or its ``known_at`` where it is linked itself.
    is_linked : bool
        Whether the parent is linked itself.
    """

    parent: str
    column: str
    parent_column: str
    spelling: str
    brings: tuple[tuple[str, str], ...]
    agreeing: str | None = None
    first_known: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    is_linked: bool = False


@dataclass(frozen=True)
class SourceSpec:
    """One raw file and what becomes of it.

    Attributes
    ----------
    name : str
        Table name in raw and bronze, prefix of its features.
    use : str
        ``events`` (window features), ``tenure`` (only its time is used) or ``stored`` (bronze only).
    use_reason : str
    is_activity : bool
        Whether its events define who is active and who has left.
    rows, kept : int
        Rows of the file, and those that bronze will keep, as measured.
    quarantined : dict of str to int
        Rows by reason, as measured.
    duplicates : int
        Rows that are exact copies of an earlier one.
    last : datetime or None
        Newest plausible event.
    plausible_from, plausible_to : date or None
        Bounds of its times where they differ from the project's.
    links : tuple of Link
        Where its customer or its time comes from, when it has none of its own.
    unlinked : dict of str to int
        Rows that bronze keeps but that could not be linked, by reason, as measured.
    known : str or None
        Column of the linked rows that says when both they and what they were linked through were known.
    is_always_known : bool
        Whether its raw table has no time of its own and yet leads to features.
    windows : tuple of str or None
        How far its features look back, where that is not as the project says.
    granularity : str
        What a row is of: ``entity`` (one row per customer), ``event`` or, without a customer, empty.
    drops_copies : bool
        Whether exact copies of a row are put aside although it has no key.
    """

    name: str
    file: RawFile
    columns: tuple[ColumnSpec, ...]
    use: str
    use_reason: str
    entity: ColumnSpec | None = None
    time: ColumnSpec | None = None
    available: ColumnSpec | None = None
    key: ColumnSpec | None = None
    is_activity: bool = False
    derived: tuple[DerivedColumn, ...] = ()
    reversal: Reversal | None = None
    measures: tuple[Measure, ...] = ()
    rows: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    first: datetime | None = None
    last: datetime | None = None
    plausible_from: date | None = None
    plausible_to: date | None = None
    links: tuple[Link, ...] = ()
    unlinked: dict[str, int] = field(default_factory=dict)
    known: str | None = None
    is_always_known: bool = False
    windows: tuple[str, ...] | None = None
    drops_copies: bool = False
    granularity: str = ""

    @property
    def events(self) -> str:
        """What its rows are, in words and in the plural."""
        words = self.name.replace("_", " ")
        return words if re.search(r"[^su]s$", words) else f"{words} events"

    @property
    def kept(self) -> int:
        """Rows that are kept: typed by bronze and, where that is needed, linked."""
        return self.rows - sum(self.quarantined.values()) - sum(self.unlinked.values())

    @property
    def own_entity(self) -> ColumnSpec | None:
        """The customer, where it stands in the file itself."""
        return self.entity if self.entity in self.columns else None

    @property
    def own_time(self) -> ColumnSpec | None:
        """The time, where it stands in the file itself."""
        return self.time if self.time in self.columns else None

    @property
    def available_at(self) -> str | None:
        """Column that says when a row was known, where that is not its time."""
        return self.known or (self.available.name if self.available else None)

    @property
    def dated(self) -> bool:
        """Whether it takes part in features."""
        return self.use in ("events", "tenure")


@dataclass(frozen=True)
class Decision:
    """A choice of the configuration, with its reason and how to change it."""

    name: str
    value: str
    reason: str
    flag: str = ""
    given: bool = False


@dataclass(frozen=True)
class Interaction:
    """A feature of gold that is made of two others of the same row."""

    column: FeatureColumn
    expression: str


@dataclass(frozen=True)
class ModelInput:
    """What models do with features before they learn; fitted on training rows, written to ``retention.yml``.

    Attributes
    ----------
    exclude : dict of str to str
        Features that they leave out, with the reason.
    transform, scale, encode : dict of str to str
        How, by feature; see :class:`python_ml.settings.Features`.
    """

    exclude: dict[str, str] = field(default_factory=dict)
    transform: dict[str, str] = field(default_factory=dict)
    scale: dict[str, str] = field(default_factory=dict)
    encode: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ProjectSpec:
    """A project to be written.

    Attributes
    ----------
    name : str
        dbt name: a safe identifier.
    entity : str
        Name of the customer's key in every model.
    raw_dir : str
        Folder of the raw files: relative to the project, or absolute.
    paths : dict of str to str
        Path below ``raw_dir`` by source name.
    sources : tuple of SourceSpec
        The activity source first.
    windows : tuple of str
    decisions : tuple of Decision
        What stands under vars in ``dbt_project.yml``.
    feature_sets : tuple of (str, tuple of FeatureColumn)
        Columns by the silver model that makes them, in the order of the gold table.
    evidence : dict of str to tuple of str
        Why the entity and the times were chosen, by source and part.
    traps : tuple of str
        What the data hides, one sentence each.
    doubts : tuple of str
        Decisions that a person should look at.
    outlook : dict
        Customers at risk and churn rate at the last feature time with a known outcome.
    relations : Relations
        Keys, and how tables hang together, in safe names of the files' columns.
    column_names : dict of (str, str) to (str, str)
        Name in the file and in bronze, by source and safe name.
    interactions : tuple of Interaction
    model_input : ModelInput
    supplied : Supplied or None
        Labels that the user brought, where nothing else says who left.
    """

    name: str
    entity: str
    raw_dir: str
    paths: dict[str, str]
    sources: tuple[SourceSpec, ...]
    windows: tuple[str, ...]
    decisions: tuple[Decision, ...]
    feature_sets: tuple[tuple[str, tuple[FeatureColumn, ...]], ...]
    evidence: dict[str, tuple[str, ...]]
    traps: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    outlook: dict[str, float] = field(default_factory=dict)
    relations: Relations = field(default_factory=Relations)
    column_names: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    interactions: tuple[Interaction, ...] = ()
    model_input: ModelInput = field(default_factory=ModelInput)
    supplied: Supplied | None = None

    @property
    def activity(self) -> SourceSpec:
        """The source whose events say who is active."""
        return self.sources[0]

    @property
    def linked(self) -> list[SourceSpec]:
        """Sources that get their customer or their time from others."""
        return [source for source in self.sources if source.links]

    def model(self, source: SourceSpec) -> str:
        """Name of the model that holds a source's rows, each with its customer and its time."""
        return f"slv_{source.name}" if source.links else f"brz_{self.name}__{source.name}"

    @property
    def features(self) -> list[FeatureColumn]:
        """All features, in the order of the gold table."""
        made = [column for _, columns in self.feature_sets for column in columns]
        return made + [interaction.column for interaction in self.interactions]

    def decided(self, name: str) -> str | None:
        """Value of a decision by name; None where nothing was to be decided."""
        return next((d.value for d in self.decisions if d.name == name), None)

    def decision(self, name: str) -> str:
        """Value of a decision by name."""
        return next(d.value for d in self.decisions if d.name == name)
