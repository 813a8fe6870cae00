"""The plan of a dbt project: data without behaviour, decided before a file is written.

A plan is the fold of accepted actions over a base plan (:func:`python_ml.plan.make_plan`). It is never stored: it
follows from the stored profile, the options and the recommendations. The module is long because it describes every
field; it decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Literal

from python_ml.durations import window_text
from python_ml.feature_columns import FeatureColumn, Measure, window_feature_columns
from python_ml.ingest.schema import Conversion, Reading
from python_ml.profile.schema import EarlyFacts, RowCounts

NUMBER_TYPES = ("integer", "decimal", "double")
COPY_REASON = "exact copy"  # of quarantined rows
_OWN_MODELS = ("spine", "labels", "coverage", "observation_period", "link_counts")  # slv_spine and so on
Role = Literal[
    "entity", "time", "available", "changed", "key", "identifier", "number", "nominal", "boolean", "text",
    "further_time", "constant", "empty", "label",
]  # fmt: skip
Use = Literal["events", "attributes", "history", "spans", "labels", "lookup", "stored"]


@dataclass(frozen=True)
class Options:
    """The options of ``retention init`` without the files themselves; stored with the project.

    Attributes
    ----------
    names : tuple of str
        Source names in the order in which the files were given.
    entity : tuple of str
        Columns that say which customer, as in the files; several for a composite key.
    outcome, positive : str or None
        Column that says who churned, and its value that means churn.
    as_of : str or None
        When the table with the outcome was written.
    labels : str or None
        Source name of the file of labels; ``label_columns`` are ``part=column``.
    churn : str or None
        ``inactivity``, ``end_date`` or ``supplied``; None leaves it to the data.
    """

    names: tuple[str, ...] = ()
    entity: tuple[str, ...] = ()
    time: str | None = None
    outcome: str | None = None
    positive: str | None = None
    as_of: str | None = None
    exclude_columns: tuple[str, ...] = ()
    labels: str | None = None
    label_columns: tuple[str, ...] = ()
    validation_from: str | None = None
    test_from: str | None = None
    activity: str | None = None
    churn: str | None = None
    horizon: str | None = None
    gap: str | None = None
    step: str | None = None
    active_window: str | None = None
    day_first: bool | None = None
    encoding: str | None = None
    sheet: str | None = None
    relate: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True)
class Imputation:
    """What takes the place of a missing value.

    Attributes
    ----------
    how : str
        ``zero``, ``median``, ``mode``, ``constant``, or ``forward_fill`` (the customer's last known value).
    value : str
        The value as bronze writes it; empty for ``forward_fill``.
    fitted_before : str
        Day before which a fitted value was computed; empty where nothing was fitted.
    """

    how: str
    value: str = ""
    fitted_before: str = ""


@dataclass(frozen=True)
class ColumnPlan:
    """A column of a source as bronze makes it.

    Attributes
    ----------
    raw_name, name : str
        In the file, and in bronze and everything after it.
    role : str
    reading : Reading
        How raw values become typed ones.
    description : str
    unused : str
        Why no feature is made of it; empty when one is, or when it is a key.
    missing, distinct : int
        Rows without a value, and different values (approximately).
    null_values : tuple of str
        Values that stand for a missing one.
    fold_case : str
        ``lower`` or ``upper`` where texts that differ only in case become one.
    low, high : float or None
        Bounds to which values beyond them are set; with ``is_bounded``, their rows are quarantined instead.
    must_be_readable : bool
        Whether a row whose value cannot be read is quarantined.
    is_dropped : bool
        Whether nothing after the checked rows has it.
    imputation : Imputation or None
    early : EarlyFacts or None
        What bounds and imputed values may be fitted on.
    """

    raw_name: str
    name: str
    role: Role
    reading: Reading
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
    imputation: Imputation | None = None
    early: EarlyFacts | None = None

    @property
    def type(self) -> str:
        """Type in bronze: text, integer, decimal, double, boolean or timestamp; a duration is a decimal of seconds."""
        return "decimal" if self.reading.type == "duration" else self.reading.type

    @property
    def is_checked(self) -> bool:
        """Whether bronze keeps the raw text with the typed value, to show what could not be read."""
        return self.type in (*NUMBER_TYPES, "timestamp") and self.reading.physical_type == "VARCHAR"

    @property
    def may_be_nan(self) -> bool:
        """Whether the raw column can hold NaN and infinity."""
        return self.type in NUMBER_TYPES and self.reading.physical_type in ("DOUBLE", "FLOAT")

    @property
    def formats(self) -> tuple[str, ...]:
        """How times are written."""
        return self.reading.formats


@dataclass(frozen=True)
class DerivedColumn:
    """A column that bronze computes from others of the same row.

    ``type`` is ``decimal`` (with ``scale`` digits), or ``text`` for a key that is made of several columns: the
    expression
    then gives text, and the column can be the customer's.
    """

    name: str
    expression: str
    description: str
    scale: int = 4
    type: Literal["decimal", "text"] = "decimal"


@dataclass(frozen=True)
class ReversalPlan:
    """Reversals: kept with ``is_reversal``, no activity, with features of their own.

    Attributes
    ----------
    name : str
        Source name of their features, such as ``returns``.
    condition : str
        SQL over bronze columns.
    text : str
        The condition in prose.
    rows : int
    measures : tuple of Measure
    """

    name: str
    condition: str
    text: str
    rows: int
    measures: tuple[Measure, ...] = ()


@dataclass(frozen=True)
class Brought:
    """A column that a row gets from the row that it points at.

    Attributes
    ----------
    column, name : str
        Of the parent, and here.
    part : str
        ``entity``, ``time``, or ``value`` (a category or number that enriches the row).
    column_plan : ColumnPlan or None
        How a value is described and used; None for entity and time.
    """

    column: str
    name: str
    part: Literal["entity", "time", "value"]
    column_plan: ColumnPlan | None = None


@dataclass(frozen=True)
class Link:
    """How the rows of a source get columns from the rows of another that they point at.

    All names but those of sources are columns of bronze, or of the linked model where the parent is linked itself.

    Attributes
    ----------
    parent : str
        Source name.
    columns, parent_columns : tuple of str
        What must be equal, pairwise; the second is a key of the parent.
    spelling : str
        How both are read to be equal; see :data:`python_ml.profile.relations.SPELLINGS`.
    brings : tuple of Brought
    is_required : bool
        Whether a row without a partner is quarantined, since its customer or time is missing; else its values are
        null.
    """

    parent: str
    columns: tuple[str, ...]
    parent_columns: tuple[str, ...]
    spelling: str
    brings: tuple[Brought, ...]

    @property
    def is_required(self) -> bool:
        """Whether a row without a partner lacks its customer or its time."""
        return any(b.part != "value" for b in self.brings)


@dataclass(frozen=True)
class AttributePlan:
    """An attribute of the customer as a feature.

    Attributes
    ----------
    column : FeatureColumn
        Name, type, description, metadata in gold.
    expression : str
        SQL over the rows of the source joined to the spine (``feature_timestamp``), with dbt's Jinja where engines
        differ.
    origin : str
        Column of bronze that it is made of.
    """

    column: FeatureColumn
    expression: str
    origin: str


@dataclass(frozen=True)
class TextPlan:
    """A column of free text whose texts become numbers.

    Attributes
    ----------
    column : str
        Name in bronze.
    components : int
        Principal components of the embeddings.
    aggregates : tuple of str
        Of the components of events, over windows; empty for texts of customers, whose components are attributes.
    windows : tuple of str
        Windows of means, from short to long; other aggregates are made over the last one.
    """

    column: str
    components: int
    aggregates: tuple[str, ...] = ()
    windows: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Columns that the rows get."""
        return (f"{self.column}_characters", *self.component_names)

    @property
    def component_names(self) -> tuple[str, ...]:
        """Columns of the components."""
        return tuple(f"{self.column}_pc{number}" for number in range(1, self.components + 1))

    def model(self, source: str) -> str:
        """Name of the Python model with one row per distinct text."""
        return f"slv_{source}_{self.column}_texts"

    @property
    def has_shift(self) -> bool:
        """Whether a customer's recent texts are compared with their own earlier ones: means in two windows do that."""
        return "mean" in self.aggregates and len(self.windows) > 1

    def shift(self, source: str) -> str:
        """Name of that feature."""
        return f"{source}_{self.column}_shift_{self.windows[0]}"

    @property
    def windows_by_aggregate(self) -> dict[str, tuple[str, ...]]:
        """Windows of each aggregate of the components."""
        return {a: self.windows if a == "mean" else self.windows[-1:] for a in self.aggregates}

    @property
    def title(self) -> str:
        """The column in prose."""
        return self.column.replace("_", " ")

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What the macro ``text_measures`` declares."""
        length, windows, type_ = self.names[0], self.windows_by_aggregate, "decimal(9, 6)"
        made = [Measure(length, length, ("count", "mean"), f"length of the {self.title}", self.windows)]
        for number, name in enumerate(self.component_names, start=1):
            label = f"component {number} of the {self.title}"
            made.append(Measure(name, name, self.aggregates, label, windows, type=type_))
        return tuple(made)


@dataclass(frozen=True)
class SourcePlan:
    """One raw table and what becomes of it.

    Attributes
    ----------
    name : str
        Table name in raw and bronze, prefix of its features.
    file : str
        Name of the user's file, for descriptions.
    format, options : str, dict
        How DuckDB reads the raw file; see :class:`python_ml.ingest.schema.RawTable`.
    conversion : Conversion or None
    has_rejected : bool
        Whether the raw table has the columns of rejected lines.
    has_row_number : bool
        Whether the raw table has :data:`python_ml.ingest.schema.ROW_NUMBER`, which is then its key.
    use : str
        ``events`` (window features), ``attributes`` (one row per customer), ``history`` (attributes with a time from
        which they hold, joined as of T), ``spans`` (start and end of a subscription), ``labels``, ``lookup`` (only
        enriches others) or ``stored`` (bronze only).
    reason : str
        Why.
    flag : str
        The flag that would use a source that is not used; empty otherwise.
    columns : tuple of ColumnPlan
        Of the file.
    entity, time, available : str
        Names of the columns in the rows that features are made of (own or brought by a link); empty for none.
    known : str
        Column of the linked rows that says when both they and what they point at were known; empty where not linked.
    superseded : str
        Column with the time from which a newer version of the row is known; empty without versions.
    ended, ended_available : str
        End of a span, and when it was recorded.
    key : tuple of str
        Columns that tell rows apart; copies are quarantined.
    drops_copies : bool
        Whether exact copies are quarantined although there is no key.
    nobody : tuple of str
        Values of the customer's column that stand for nobody; their rows are quarantined.
    links : tuple of Link
    derived : tuple of DerivedColumn
    reversal : ReversalPlan or None
    measures : tuple of Measure
    texts : tuple of TextPlan
        Columns of free text whose components are features.
    rhythm : tuple of str
        Rhythm and cadence features of ``window_features``.
    windows : tuple of str
        How far its features look back.
    offered, attributes : tuple of AttributePlan
        Attributes that it could give, and those that it does.
    plausible_from, plausible_to : date or None
        Bounds of its times where they differ from the project's.
    is_static : bool
        Whether its raw table has no time of its own, so that replay takes all of its rows as known.
    leakage_risk : str
    counts : RowCounts
        As previewed.
    """

    name: str
    file: str
    format: str
    options: dict[str, Any] = field(default_factory=dict)
    conversion: Conversion | None = None
    has_rejected: bool = False
    has_row_number: bool = False
    use: Use = "stored"
    reason: str = ""
    flag: str = ""
    columns: tuple[ColumnPlan, ...] = ()
    entity: str = ""
    time: str = ""
    available: str = ""
    known: str = ""
    superseded: str = ""
    ended: str = ""
    ended_available: str = ""
    key: tuple[str, ...] = ()
    drops_copies: bool = False
    nobody: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    derived: tuple[DerivedColumn, ...] = ()
    reversal: ReversalPlan | None = None
    measures: tuple[Measure, ...] = ()
    texts: tuple[TextPlan, ...] = ()
    rhythm: tuple[str, ...] = ()
    windows: tuple[str, ...] = ()
    offered: tuple[AttributePlan, ...] = ()
    attributes: tuple[AttributePlan, ...] = ()
    plausible_from: date | None = None
    plausible_to: date | None = None
    is_static: bool = False
    leakage_risk: str = "low"
    counts: RowCounts = field(default_factory=lambda: RowCounts(0))

    @property
    def events(self) -> str:
        """What its rows are, in the plural: ``orders``, ``usage events``."""
        text = self.name.replace("_", " ")
        return text if re.search(r"[^su]s$", text) else f"{text} events"

    @property
    def has_events(self) -> bool:
        """Whether window features can be made of its rows."""
        return self.use in ("events", "spans")

    @property
    def available_at(self) -> str:
        """Column that says when a row was known, where that is not its time."""
        return self.known or self.available

    def column(self, name: str) -> ColumnPlan | None:
        """A column of the file by its name in bronze."""
        return next((c for c in self.columns if c.name == name), None)

    @property
    def own_entity(self) -> ColumnPlan | None:
        """The customer's column, where it stands in the file itself."""
        return self.column(self.entity) if self.entity else None

    @property
    def own_time(self) -> ColumnPlan | None:
        """The time's column, where it stands in the file itself."""
        return self.column(self.time) if self.time else None

    @property
    def values(self) -> tuple[ColumnPlan, ...]:
        """All columns of the rows that features are made of: those of the file, and values brought by links."""
        return (*self.columns, *(b.column_plan for link in self.links for b in link.brings if b.column_plan))

    def with_column(self, name: str, **changes: Any) -> SourcePlan:
        """The source with changes to one of its columns."""
        return replace(self, columns=tuple(replace(c, **changes) if c.name == name else c for c in self.columns))

    def _of_text(self, column: FeatureColumn) -> FeatureColumn:
        """A window feature, with what its component was fitted on."""
        for text in self.texts:
            if column.meta.get("measure") == text.names[0]:
                # "with a value of length of the body" is what a body is
                what = column.description.replace(f"with a value of length of the {text.title}", f"with a {text.title}")
                return replace(column, description=what)
            if column.meta.get("measure") in text.component_names:
                return replace(column, meta=column.meta | {"fitted": f"{self.name}.{text.column}"})
        return column

    def _shifts(self) -> Iterator[FeatureColumn]:
        for text in (t for t in self.texts if t.has_shift):
            meta = {
                "role": "feature", "source": self.name, "measure": f"{text.column}_shift", "aggregate": "shift",
                "window": text.windows[0], "leakage_risk": self.leakage_risk, "fitted": f"{self.name}.{text.column}",
            }  # fmt: skip
            what = f"Distance of the mean {text.title} {window_text(text.windows[0])} the feature time"
            yield FeatureColumn(text.shift(self.name), "double", f"{what} from the customer's earlier ones", meta)

    @property
    def feature_sets(self) -> tuple[FeatureSet, ...]:
        """The feature models that are made of it."""
        made = []
        if self.has_events and self.windows:
            said = (measure for text in self.texts for measure in text.measures)
            columns = window_feature_columns(
                self.name, (*self.measures, *said), self.windows, events=self.events, rhythm=self.rhythm,
                leakage_risk=self.leakage_risk,
            )  # fmt: skip
            columns = [*map(self._of_text, columns), *self._shifts()]
            made.append(FeatureSet(f"slv_{self.name}_windows", self.name, tuple(columns)))
            if self.reversal is not None:
                columns = window_feature_columns(
                    self.reversal.name, self.reversal.measures, self.windows,
                    events=self.reversal.name.replace("_", " "), leakage_risk=self.leakage_risk,
                )  # fmt: skip
                made.append(FeatureSet(f"slv_{self.reversal.name}_windows", self.reversal.name, tuple(columns)))
        if self.attributes:
            columns = tuple(attribute.column for attribute in self.attributes)
            made.append(FeatureSet(f"slv_{self.name}_attributes", f"{self.name}_attributes", columns))
        return tuple(made)


@dataclass(frozen=True)
class FeatureSet:
    """A silver model with features: one row per spine row.

    Attributes
    ----------
    model, alias : str
        Name of the model, and of its CTE in gold.
    columns : tuple of FeatureColumn
        In the model's order.
    """

    model: str
    alias: str
    columns: tuple[FeatureColumn, ...]


@dataclass(frozen=True)
class Inactivity:
    """Customers active within the active window are at risk; they churn without activity in the label window."""

    source: str
    definition = "inactivity"


@dataclass(frozen=True)
class EndDate:
    """Covered customers are at risk; they churn when coverage ends in the label window and is not continued.

    Attributes
    ----------
    source : str
        Table with the ends: spans with start and end in a row, or departures with a time only.
    starts : str
        For departures: table with one row per customer whose time says when coverage began; empty where the first
        event of :attr:`activity` does.
    activity : str
        Table of events, for departures without a table of starts; empty otherwise.
    returns : str
        Table whose rows say that a customer came back; empty for none.
    grace : str
        How long after an end coverage may continue without churn.
    """

    source: str
    starts: str = ""
    activity: str = ""
    returns: str = ""
    grace: str = "0d"
    definition = "end_date"

    @property
    def is_departures(self) -> bool:
        """Whether only departures are recorded, without a start in the same row."""
        return bool(self.starts or self.activity)


@dataclass(frozen=True)
class AsOf:
    """When the row of a table with labels was looked at.

    Attributes
    ----------
    kind : str
        ``column``; ``computed`` (a start plus a duration); ``constant``.
    column : str
        Column of bronze (the start, where computed).
    duration, unit : str
        Column to add, and what it counts: day, week, month, year.
    value : str
        The constant, such as ``2024-06-24 00:00:00``.
    is_snapshot : bool
        Whether the constant only stands for "the snapshot" and is no date of the data.
    text : str
        In prose.
    """

    kind: Literal["column", "computed", "constant"]
    column: str = ""
    duration: str = ""
    unit: str = ""
    value: str = ""
    is_snapshot: bool = False
    text: str = ""


@dataclass(frozen=True)
class LabelTable:
    """A table says who churned: supplied labels, or a table with an outcome that also brings attributes.

    Attributes
    ----------
    source : str
    label : str
        Column of bronze (text) with the outcome.
    churned_values : tuple of str
        Its values that mean churn: lower case, trimmed, without a trailing ``.0``.
    raw_label : str
        Its name in the file.
    as_of : AsOf
    known : str
        Column with the time at which the outcome was known; empty where the horizon says it, or nothing does.
    split : str
        Column with the part of the split; ``split_values`` are its values by part.
    scores : str
        Who is scored: ``unlabelled`` (rows without an outcome at the newest time), ``active`` (customers of the labels
        who were active before ``score_at``) or ``retained`` (rows that are not known to have churned).
    activity : str
        Table of events that says who is active; empty without events.
    scenario : str
        ``production``, ``derived``, ``partial`` or ``static``: what is known of time.
    scenario_reason : str
    meaning : str
        The rule in prose: ``churned = retained is 0``.
    """

    source: str
    label: str
    churned_values: tuple[str, ...]
    raw_label: str
    as_of: AsOf
    known: str = ""
    split: str = ""
    split_values: dict[str, tuple[str, ...]] = field(default_factory=dict)
    scores: Literal["unlabelled", "active", "retained"] = "retained"
    activity: str = ""
    scenario: str = "production"
    scenario_reason: str = ""
    meaning: str = ""
    definition = "supplied"


Outcome = Inactivity | EndDate | LabelTable


@dataclass(frozen=True)
class OutcomeChoice:
    """What churn means, why, and what requires review."""

    outcome: Outcome
    reason: str
    flag: str = "--churn"
    reviews: tuple[str, ...] = ()


@dataclass(frozen=True)
class Setting:
    """A choice of the configuration, with its reason and the flag that changes it.

    ``name`` is the variable in ``dbt_project.yml`` (or ``split`` in ``retention.yml``); ``is_given`` says that a person
    chose it.
    """

    name: str
    value: str
    reason: str
    flag: str = ""
    is_given: bool = False


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
class ProjectPlan:
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
        Path below ``raw_dir`` by source name; converted files lie in the project's ``raw/``, see
        :attr:`SourcePlan.conversion`.
    sources : tuple of SourcePlan
        The one that says who is active (or has the labels) first.
    outcome : Outcome
    settings : tuple of Setting
        entity, horizon, gap, step, active_window, windows, spine_anchor, spine_start, score_at, plausible_from,
        plausible_to, split: those that apply.
    evidence : dict of str to tuple of (str, str)
        Why the customer and the times were chosen, by source: part and reason.
    interactions : tuple of Interaction
    model_input : ModelInput
    notices : tuple of str
        What the data holds that a person should know, one sentence each.
    reviews : tuple of str
        Decisions that require review.
    unused : tuple of (str, str, str)
        Files and columns that are not used: name, reason, flag that would use them.
    """

    name: str
    entity: str
    raw_dir: str
    paths: dict[str, str]
    sources: tuple[SourcePlan, ...]
    outcome: Outcome
    settings: tuple[Setting, ...] = ()
    evidence: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    interactions: tuple[Interaction, ...] = ()
    model_input: ModelInput = field(default_factory=ModelInput)
    notices: tuple[str, ...] = ()
    reviews: tuple[str, ...] = ()
    unused: tuple[tuple[str, str, str], ...] = ()

    def source(self, name: str) -> SourcePlan:
        """A source by name."""
        return next(s for s in self.sources if s.name == name)

    def with_source(self, source: SourcePlan) -> ProjectPlan:
        """The plan with one source replaced by its name."""
        return replace(self, sources=tuple(source if s.name == source.name else s for s in self.sources))

    def setting(self, name: str) -> str:
        """Value of a setting; empty where there is none."""
        return next((s.value for s in self.settings if s.name == name), "")

    @property
    def windows(self) -> tuple[str, ...]:
        """The project's windows: those of the variable ``windows``."""
        return tuple(w.strip() for w in self.setting("windows").split(",") if w.strip())

    @property
    def linked(self) -> tuple[SourcePlan, ...]:
        """Sources whose rows get columns from others."""
        return tuple(s for s in self.sources if s.links)

    def model(self, source: SourcePlan) -> str:
        """Name of the model that holds a source's rows, each with its customer, its time and its values."""
        return f"slv_{source.name}" if source.links else f"brz_{self.name}__{source.name}"

    def rows_with_texts(self, source: SourcePlan) -> str:
        """Name of the model that features are made of: the rows, with what their texts say.

        Nothing that decides who is at risk or who churned may read it: components are fitted on texts before training
        ends, which the labels say.
        """
        if not source.texts:
            return self.model(source)
        is_taken = source.links or source.name in _OWN_MODELS
        return f"slv_{source.name}_with_texts" if is_taken else f"slv_{source.name}"

    @property
    def feature_sets(self) -> tuple[FeatureSet, ...]:
        """Silver models with features, in the order of the gold table."""
        return tuple(made for source in self.sources for made in source.feature_sets)

    @property
    def features(self) -> tuple[FeatureColumn, ...]:
        """All features, in the order of the gold table."""
        made = [column for part in self.feature_sets for column in part.columns]
        return (*made, *(one.column for one in self.interactions))
