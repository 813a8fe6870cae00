"""What a profile finds, as data: the schema of ``findings.yaml``.

Fields stand in the order in which they are written, figures are rounded to six significant digits, and nothing depends
on the clock or on the order of threads: the same files give the same bytes.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from python_ml.profiling.figures import Figure, MaybeFigure, Moment, Part
from python_ml.profiling.target_schema import Segments, Target

VERSION = 1
Semantic = Literal[
    "empty", "constant", "identifier", "target_candidate", "binary", "nominal", "ordinal", "continuous", "discrete",
    "money", "duration", "cyclic", "datetime", "text", "email", "phone", "personal",
]  # fmt: skip


class Attention(Part):
    """Something that a person should look at before they trust the data."""

    level: Literal["critical", "warning", "note"]
    topic: str
    file: str
    column: str | None = None
    what: str


class ValueCount(Part):
    """A value and in how many rows it stands."""

    value: str
    rows: int


class Histogram(Part):
    """Counts between edges; values beyond the first and last edge are counted apart."""

    edges: list[Figure] = Field([])
    counts: list[int] = Field([])
    below: int = 0
    above: int = 0


class Numbers(Part):
    """What a column holds when read as numbers. Outliers are counted by three rules."""

    readable: int
    unreadable: list[ValueCount] = Field([])
    written: str = "plain"
    minimum: MaybeFigure = None
    maximum: MaybeFigure = None
    mean: MaybeFigure = None
    deviation: MaybeFigure = None
    skew: MaybeFigure = None
    quantiles: dict[str, MaybeFigure] = Field({})
    zeros: int = 0
    zero_inflated: bool = False
    negatives: int = 0
    outliers_iqr: int = 0
    outliers_z: int = 0
    outliers_modified_z: int = 0
    histogram: Histogram | None = None


class Times(Part):
    """What a column holds when read as times, and how they are written."""

    readable: int
    unreadable: list[ValueCount] = Field([])
    formats: list[str] = Field([])
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


class Texts(Part):
    """Lengths in characters, and the shapes of values (letters as ``a``, digits as ``9``)."""

    shortest: int
    longest: int
    mean: Figure
    shapes: list[ValueCount] = Field([])
    mixed: bool = False


class Variants(Part):
    """Values that differ only in case, or have blanks around them."""

    case_groups: int = 0
    case_rows: int = 0
    case_examples: list[str] = Field([])
    blank_rows: int = 0


class Sentinel(Part):
    """A value that stands for something else: missing, unknown, never."""

    value: str
    rows: int
    why: str


class Column(Part):
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
    sentinels: list[Sentinel] = Field([])
    top: list[ValueCount] = Field([])
    top_sampled: bool = False
    numbers: Numbers | None = None
    times: Times | None = None
    texts: Texts | None = None
    variants: Variants | None = None
    changes: Figure | None = Field(default=None, description="share of entities with more than one value")


class Key(Part):
    """Columns that (nearly) tell rows apart."""

    columns: list[str]
    unique: bool
    repeated_rows: int = 0
    missing: int = 0


class ShiftedCopies(Part):
    """Rows that equal another in everything but the identifier, and whose times lie a fixed number of days apart."""

    rows: int
    days: int
    of_pairs: Figure
    compared: list[str] = Field([])


class Granularity(Part):
    """What a row is."""

    level: Literal["entity", "event", "unknown"]
    entity: str | None = None
    entity_evidence: list[str] = Field([])
    time: str | None = None
    time_evidence: list[str] = Field([])
    other_times: list[str] = Field([])
    entities: int | None = None
    rows_per_entity: MaybeFigure = None
    words: str


class Period(Part):
    """Rows and (approximately) entities of a month, or of a year where the history is long."""

    start: Moment
    rows: int
    entities: int | None = None


class Gap(Part):
    """Days without any row, both ends included."""

    first: Moment
    last: Moment
    days: int


class Coverage(Part):
    """The course of a table's rows over time."""

    column: str
    first: Moment
    last: Moment
    days: int
    days_with_rows: int
    unit: Literal["month", "year"]
    periods: list[Period] = Field([])
    gaps: list[Gap] = Field([])
    weekdays: list[int] = Field([])
    weekday_strength: Figure
    calendar_months: list[int] = Field([])
    month_strength: MaybeFigure = None
    trend_per_year: MaybeFigure = None
    trend_words: str
    season_words: str
    weekday_words: str


class Quadrant(Part):
    """Entities by tenure and intensity, each split at its median."""

    tenure: Literal["long", "short"]
    intensity: Literal["high", "low"]
    entities: int
    events: int
    recently_active: Figure


class Cohort(Part):
    """Entities by when they were first seen, and how many of them were seen in the last 90 days."""

    start: Moment
    entities: int
    recently_active: Figure


class Window(Part):
    """What a window length would see."""

    window: str
    occupied: Figure
    supported: bool
    why: str


class Lifecycle(Part):
    """How entities live: quadrants, cohorts, pauses and the windows that follow from them."""

    sampled_entities: str | None = None
    entities: int
    single_event: int
    median_tenure_days: Figure
    median_events_per_month: Figure
    median_pause_days: MaybeFigure = None
    long_pause_days: MaybeFigure = None
    quadrants: list[Quadrant] = Field([])
    cohorts: list[Cohort] = Field([])
    windows: list[Window] = Field([])


class Link(Part):
    """A column whose values are those of a key of another file."""

    child: str
    child_column: str
    parent: str
    parent_column: str
    cardinality: str
    inclusion: Figure
    evidence: list[str] = Field([])


class OrderViolation(Part):
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


class Reading(Part):
    """How a text file is read."""

    encoding: str
    byte_order_mark: bool
    compression: str | None = None
    header: bool
    delimiter: str
    quote: str | None = None
    line_end: str | None = None


class File(Part):
    """One profiled file. Figures that were not measured on all rows are named in ``sampled`` or ``approximate``."""

    name: str
    path: str
    format: str
    reading: Reading | None = None
    notes: list[str] = Field([])
    rows: int
    sampled_rows: int | None = None
    sampled: list[str] = Field([])
    approximate: list[str] = Field([])
    duplicate_rows: int
    keys: list[Key] = Field([])
    shifted_copies: ShiftedCopies | None = None
    granularity: Granularity
    coverage: Coverage | None = None
    lifecycle: Lifecycle | None = None
    targets: list[Target] = Field([])
    segments: Segments | None = None
    columns: list[Column] = Field([])


class Findings(Part):
    """Everything that a profile found."""

    version: Literal[1] = VERSION
    attention: list[Attention] = Field([])
    links: list[Link] = Field([])
    order_violations: list[OrderViolation] = Field([])
    files: list[File]
