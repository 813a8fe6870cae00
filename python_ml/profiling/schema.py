"""What a profile finds, as data: the schema of ``findings.yaml``.

Fields stand in the order in which they are written, figures are rounded to six significant digits, and nothing depends
on the clock or on the order of threads: the same files give the same bytes.
"""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

VERSION = 1


def _significant(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    rounded = float(f"{value:.6g}")
    return int(rounded) if isinstance(value, int) and rounded == value else rounded


def _time_text(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(" ") if value.time() != datetime.min.time() else value.date().isoformat()
    return value.isoformat() if isinstance(value, date) else value


Figure = Annotated[float, BeforeValidator(_significant)]
MaybeFigure = Annotated[float | None, BeforeValidator(_significant)]
Moment = Annotated[str, BeforeValidator(_time_text)]
Semantic = Literal[
    "empty", "constant", "identifier", "target_candidate", "binary", "nominal", "ordinal", "continuous", "discrete",
    "money", "duration", "cyclic", "datetime", "text", "email", "phone", "personal",
]  # fmt: skip


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Attention(_Model):
    """Something that a person should look at before they trust the data."""

    level: Literal["critical", "warning", "note"]
    topic: str
    file: str
    column: str | None = None
    what: str


class ValueCount(_Model):
    """A value and in how many rows it stands."""

    value: str
    rows: int


class Histogram(_Model):
    """Counts between edges; values beyond the first and last edge are counted apart."""

    edges: list[Figure] = []
    counts: list[int] = []
    below: int = 0
    above: int = 0


class Numbers(_Model):
    """What a column holds when read as numbers. Outliers are counted by three rules."""

    readable: int
    unreadable: list[ValueCount] = []
    written: str = "plain"
    minimum: MaybeFigure = None
    maximum: MaybeFigure = None
    mean: MaybeFigure = None
    deviation: MaybeFigure = None
    skew: MaybeFigure = None
    quantiles: dict[str, MaybeFigure] = {}
    zeros: int = 0
    negatives: int = 0
    outliers_iqr: int = 0
    outliers_z: int = 0
    outliers_modified_z: int = 0
    histogram: Histogram | None = None


class Times(_Model):
    """What a column holds when read as times, and how they are written."""

    readable: int
    unreadable: list[ValueCount] = []
    formats: list[str] = []
    order: str = ""
    undecided: bool = False
    has_clock: bool = False
    first: Moment | None = None
    last: Moment | None = None
    days: int = 0
    plausible_first: Moment | None = None
    plausible_last: Moment | None = None
    implausible: int = 0
    future: int = 0


class Texts(_Model):
    """Lengths in characters, and the shapes of values (letters as ``a``, digits as ``9``)."""

    shortest: int
    longest: int
    mean: Figure
    shapes: list[ValueCount] = []
    mixed: bool = False


class Variants(_Model):
    """Values that differ only in case, or have blanks around them."""

    case_groups: int = 0
    case_rows: int = 0
    case_examples: list[str] = []
    blank_rows: int = 0


class Sentinel(_Model):
    """A value that stands for something else: missing, unknown, never."""

    value: str
    rows: int
    why: str


class Column(_Model):
    """One column of a file."""

    name: str
    physical_type: str
    semantic: Semantic
    because: str
    personal: str | None = None
    missing: int
    missing_share: Figure
    blank: int = 0
    distinct: int
    distinct_exact: bool
    sentinels: list[Sentinel] = []
    top: list[ValueCount] = []
    top_sampled: bool = False
    numbers: Numbers | None = None
    times: Times | None = None
    texts: Texts | None = None
    variants: Variants | None = None
    changes: Figure | None = Field(default=None, description="share of entities with more than one value")


class Key(_Model):
    """Columns that (nearly) tell rows apart."""

    columns: list[str]
    unique: bool
    repeated_rows: int = 0
    missing: int = 0


class ShiftedCopies(_Model):
    """Rows that equal another in everything but the identifier, and whose times lie a fixed number of days apart."""

    rows: int
    days: int
    of_pairs: Figure
    compared: list[str] = []


class Granularity(_Model):
    """What a row is."""

    level: Literal["entity", "event", "unknown"]
    entity: str | None = None
    entity_evidence: list[str] = []
    time: str | None = None
    time_evidence: list[str] = []
    other_times: list[str] = []
    entities: int | None = None
    rows_per_entity: MaybeFigure = None
    words: str


class Period(_Model):
    """Rows and (approximately) entities of a month, or of a year where the history is long."""

    start: Moment
    rows: int
    entities: int | None = None


class Gap(_Model):
    """Days without any row, both ends included."""

    first: Moment
    last: Moment
    days: int


class Coverage(_Model):
    """The course of a table's rows over time."""

    column: str
    first: Moment
    last: Moment
    days: int
    days_with_rows: int
    unit: Literal["month", "year"]
    periods: list[Period] = []
    gaps: list[Gap] = []
    weekdays: list[int] = []
    weekday_strength: Figure
    calendar_months: list[int] = []
    month_strength: MaybeFigure = None
    trend_per_year: MaybeFigure = None
    trend_words: str
    season_words: str
    weekday_words: str


class Quadrant(_Model):
    """Entities by tenure and intensity, each split at its median."""

    tenure: Literal["long", "short"]
    intensity: Literal["high", "low"]
    entities: int
    events: int
    recently_active: Figure


class Cohort(_Model):
    """Entities by when they were first seen, and how many of them were seen in the last 90 days."""

    start: Moment
    entities: int
    recently_active: Figure


class Window(_Model):
    """What a window length would see."""

    window: str
    occupied: Figure
    supported: bool
    why: str


class Lifecycle(_Model):
    """How entities live: quadrants, cohorts, pauses and the windows that follow from them."""

    sampled_entities: str | None = None
    entities: int
    single_event: int
    median_tenure_days: Figure
    median_events_per_month: Figure
    median_pause_days: MaybeFigure = None
    long_pause_days: MaybeFigure = None
    quadrants: list[Quadrant] = []
    cohorts: list[Cohort] = []
    windows: list[Window] = []


class Estimate(_Model):
    """A figure with its 95 % interval."""

    value: Figure
    low: MaybeFigure = None
    high: MaybeFigure = None


class RateOf(_Model):
    """Share of those who left among the rows with a value."""

    value: str
    rows: int
    rate: Figure
    low: Figure
    high: Figure


class AucOf(_Model):
    """The association within a period."""

    period: str
    rows: int
    left: int
    auc: Estimate


class Association(_Model):
    """How a column goes together with the target."""

    column: str
    measure: Literal["auc", "cramers_v"]
    rows: int
    auc: Estimate | None = None
    cramers_v: MaybeFigure = None
    strength: Figure
    rates: list[RateOf] = []
    missing_rate: RateOf | None = None
    by_time: list[AucOf] = []
    leak: Literal["critical", "high"] | None = None
    leak_reasons: list[str] = []


class Capacity(_Model):
    """How many variables the labelled rows can bear."""

    events: int
    variables: int
    events_per_variable: Figure
    bearable_variables: int
    effective_variables: MaybeFigure = None
    words: str


class Target(_Model):
    """A target and its associations, strongest first. An AUC above 0.5 says that higher values leave more often."""

    column: str
    given: bool
    meaning: str
    because: str
    flag: str | None = None
    doubt: str | None = None
    left_rows: int
    labelled_rows: int
    rate: Estimate
    sampled_rows: int | None = None
    clustered_by: str | None = None
    time: str | None = None
    by_time: list[RateOf] = []
    associations: list[Association] = []
    capacity: Capacity


class Link(_Model):
    """A column whose values are those of a key of another file."""

    child: str
    child_column: str
    parent: str
    parent_column: str
    cardinality: str
    inclusion: Figure
    evidence: list[str] = []


class OrderViolation(_Model):
    """Rows whose times contradict each other."""

    kind: Literal["within_row", "across_files"]
    file: str
    time: str
    other_file: str
    other_time: str
    key: str | None = None
    compared: int
    violated: int
    share: Figure
    words: str


class File(_Model):
    """One profiled file."""

    name: str
    path: str
    format: str
    notes: list[str] = []
    rows: int
    sampled_rows: int | None = None
    duplicate_rows: int
    keys: list[Key] = []
    shifted_copies: ShiftedCopies | None = None
    granularity: Granularity
    coverage: Coverage | None = None
    lifecycle: Lifecycle | None = None
    targets: list[Target] = []
    columns: list[Column] = []


class Findings(_Model):
    """Everything that a profile found."""

    version: Literal[1] = VERSION
    attention: list[Attention] = []
    links: list[Link] = []
    order_violations: list[OrderViolation] = []
    files: list[File]
