"""What a profile holds: facts about raw tables, measured once, stored, and read by the plan and by the page.

Fields stand in the order in which they are written; nothing depends on the clock or on the order of threads, so the
same files give the same bytes. The module is long because it describes every field; it computes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Literal

from python_ml.ingest.schema import Column, RawTable

Level = Literal["critical", "warning", "note"]


@dataclass(frozen=True)
class Notice:
    """Something that a person should look at before they trust the data.

    Attributes
    ----------
    level, topic, table : str
    column : str
        Raw name; empty when it concerns the table.
    text : str
        One sentence.
    """

    level: Level
    topic: str
    table: str
    text: str
    column: str = ""


@dataclass(frozen=True)
class ValueCount:
    """A value and in how many rows it stands."""

    value: str
    rows: int


@dataclass(frozen=True)
class Sentinel:
    """A value that may stand for a missing one, and why.

    ``is_safe`` says that no real value can be lost by reading it so: a text among numbers, a year 1900 among years
    2023.
    """

    value: str
    rows: int
    why: str
    is_safe: bool = False


@dataclass(frozen=True)
class Histogram:
    """Counts between edges, shapes (n + 1,) and (n,); values beyond the first and last edge are counted apart."""

    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    below: int = 0
    above: int = 0


@dataclass(frozen=True)
class Distribution:
    """A column of numbers beyond :class:`python_ml.ingest.schema.NumberFacts`; outliers are counted by three rules."""

    deviation: float | None = None
    skew: float | None = None
    quantiles: dict[str, float] = field(default_factory=dict)
    is_zero_inflated: bool = False
    outliers_iqr: int = 0
    outliers_zscore: int = 0
    outliers_mad: int = 0
    histogram: Histogram | None = None
    unreadable: tuple[ValueCount, ...] = ()


@dataclass(frozen=True)
class EarlyFacts:
    """A column of numbers in the first part of its table's history: what may be fitted without knowing the future.

    Attributes
    ----------
    before : date
        Only rows with an earlier event are counted.
    rows, filled : int
    mean, deviation : float or None
    quantiles : dict of str to float
        ``p001, p01, p05, p25, p50, p75, p95, p99, p999``.
    mode : str
        Most frequent value.
    beyond : int
        Rows of the whole table that lie more than five times beyond p001 or p999.
    """

    before: date
    rows: int
    filled: int
    mean: float | None = None
    deviation: float | None = None
    quantiles: dict[str, float] = field(default_factory=dict)
    mode: str = ""
    beyond: int = 0


@dataclass(frozen=True)
class Span:
    """Plausible times of a column: those not years away from nearly all others.

    Attributes
    ----------
    first, last : datetime or None
        Of the plausible ones.
    low, high : date
        Bounds: earlier times, and times from ``high`` on, are implausible.
    implausible : int
    tail : int
        Plausible rows of a thin tail after the end of the data, such as planned orders.
    end : datetime or None
        Newest time before that tail.
    """

    first: datetime | None
    last: datetime | None
    low: date
    high: date
    implausible: int = 0
    tail: int = 0
    end: datetime | None = None


@dataclass(frozen=True)
class TextFacts:
    """Lengths in characters, shapes (letters as ``a``, digits as ``9``), and spellings that differ only in case."""

    shortest: int
    longest: int
    shapes: tuple[ValueCount, ...] = ()
    has_mixed_shapes: bool = False
    case_groups: int = 0
    case_rows: int = 0
    case_examples: tuple[str, ...] = ()
    padded_rows: int = 0


@dataclass(frozen=True)
class TextMeasures:
    """A column of free text, beyond its :class:`TextFacts`.

    Attributes
    ----------
    filled : int
        Rows with a text that is not blank.
    distinct : int
        Different texts.
    blank_share : float
        Share of the rows without one.
    median_length, p95_length, longest : float, float, int
        Characters of a row's text.
    html_share : float
        Share with tags or entities of HTML, of a sample of different texts.
    languages : dict of str to float
        Share of a sample of different texts by ISO 639-1 code, the most frequent first; ``unknown`` where no word
        tells.
    """

    filled: int
    distinct: int
    blank_share: float
    median_length: float
    p95_length: float
    longest: int
    html_share: float
    languages: dict[str, float] = field(default_factory=dict)

    @property
    def distinct_share(self) -> float:
        """Different texts per row with one."""
        return self.distinct / self.filled if self.filled else 0.0


@dataclass(frozen=True)
class ColumnProfile:
    """One column with everything that was measured of it.

    Attributes
    ----------
    column : Column
    top : tuple of ValueCount
        Most frequent values; empty for personal data.
    sentinels : tuple of Sentinel
    distribution, early : Distribution, EarlyFacts or None
        Of numbers; ``early`` only in dated tables.
    span : Span or None
        Of times.
    texts : TextFacts or None
    free_text : TextMeasures or None
        Of columns of free text.
    """

    column: Column
    top: tuple[ValueCount, ...] = ()
    sentinels: tuple[Sentinel, ...] = ()
    distribution: Distribution | None = None
    early: EarlyFacts | None = None
    span: Span | None = None
    texts: TextFacts | None = None
    free_text: TextMeasures | None = None


@dataclass(frozen=True)
class Key:
    """Columns that tell the rows of a table apart.

    Attributes
    ----------
    columns : tuple of str
        Safe names; several for a composite key.
    rows : int
        Rows with a value in all of them.
    distinct : int
        Different values; exact.
    is_named : bool
        Whether the name suggests a key of this very table (``order_id`` of orders, ``id``).
    """

    columns: tuple[str, ...]
    rows: int
    distinct: int
    is_named: bool = False

    @property
    def copies(self) -> int:
        """Rows that repeat the key of another."""
        return self.rows - self.distinct


@dataclass(frozen=True)
class IdentifierFacts:
    """How the values of a column that may identify something come back.

    Attributes
    ----------
    column : str
        Safe name.
    rows, distinct : int
        Rows with a value, different values; exact.
    days_per_value, several_days : float or None
        Mean number of different days per value, and share of values with more than one day; None without a time.
    top : tuple of ValueCount
        The three most frequent values.
    person : float
        How much the name suggests a customer, 0 to 3 (:func:`python_ml.ingest.vocabulary.person_score`).
    """

    column: str
    rows: int
    distinct: int
    days_per_value: float | None = None
    several_days: float | None = None
    top: tuple[ValueCount, ...] = ()
    person: float = 0.0

    @property
    def rows_per_value(self) -> float:
        """Mean number of rows per value."""
        return self.rows / self.distinct if self.distinct else 0.0


@dataclass(frozen=True)
class TimePair:
    """Two columns of times of the same table, compared row by row.

    Attributes
    ----------
    first, second : str
        Safe names.
    both : int
        Rows with both.
    ordered, equal : int
        Of them, those in which the first is not later, and those in which both are equal.
    lag_median, lag_p95 : float or None
        Days from the first to the second.
    """

    first: str
    second: str
    both: int
    ordered: int
    equal: int
    lag_median: float | None = None
    lag_p95: float | None = None

    @property
    def ordered_share(self) -> float:
        """Share of rows in which the first is not later."""
        return self.ordered / self.both if self.both else 0.0

    @property
    def reversed(self) -> TimePair:
        """The same in the other order, without lags."""
        return TimePair(self.second, self.first, self.both, self.both - self.ordered + self.equal, self.equal)


@dataclass(frozen=True)
class TimeRole:
    """The column that says when a row happened, and the one that says when it could be known.

    Attributes
    ----------
    column : str
        Safe name.
    reason : str
    available : str
        Safe name; empty where rows are known at once.
    available_reason : str
    others : tuple of str
        Further times of the row, the likeliest first.
    ended : str
        Column with the end of a span that begins at ``column`` (cancelled, ended, valid until); empty for none.
    ended_available : str
        Column with the time at which the end was recorded.
    is_deadline : bool
        Whether the name suggests a deadline: the time of a dated parent is then the better event time.
    """

    column: str
    reason: str = ""
    available: str = ""
    available_reason: str = ""
    others: tuple[str, ...] = ()
    ended: str = ""
    ended_available: str = ""
    is_deadline: bool = False


@dataclass(frozen=True)
class RowVersions:
    """Rows that are versions of one another: the same key and event time, and a growing time of change.

    Attributes
    ----------
    key, changed_at : str
        Safe names.
    keys, several : int
        Different keys, and those with more than one version.
    """

    key: str
    changed_at: str
    keys: int
    several: int


@dataclass(frozen=True)
class Reversal:
    """Reversals: returns, cancellations, refunds.

    Attributes
    ----------
    negative : tuple of str
        Columns (safe names) whose negative values say so.
    prefixes : tuple of (str, str)
        Identifier and the letter with which it then begins.
    rows : int
    """

    negative: tuple[str, ...]
    prefixes: tuple[tuple[str, str], ...] = ()
    rows: int = 0


@dataclass(frozen=True)
class Totals:
    """Evidence that rows are totals of many customers rather than events of one: no customer column exists."""

    reason: str


@dataclass(frozen=True)
class ComputedTime:
    """A start plus a duration, in columns of the same row, on which (nearly) all rows agree.

    Attributes
    ----------
    start, duration : str
        Safe names.
    unit : str
        What the duration counts: day, week, month, year.
    share : float
        Share of rows whose sum lies within a month and a half of the median.
    """

    start: str
    duration: str
    unit: str
    share: float


@dataclass(frozen=True)
class ShiftedCopies:
    """Rows equal to another in all but the identifier, with times a fixed number of days apart."""

    rows: int
    days: int
    share_of_pairs: float
    compared: tuple[str, ...] = ()


@dataclass(frozen=True)
class PeriodCount:
    """Rows and (approximately) customers of a month, or of a year where the history is long."""

    start: date
    rows: int
    customers: int | None = None


@dataclass(frozen=True)
class Gap:
    """Days without any row, both ends included."""

    first: date
    last: date
    days: int


@dataclass(frozen=True)
class Timeline:
    """The course of a table's rows over time."""

    column: str
    first: date
    last: date
    days: int
    days_with_rows: int
    unit: Literal["month", "year"]
    periods: tuple[PeriodCount, ...] = ()
    gaps: tuple[Gap, ...] = ()
    weekdays: tuple[int, ...] = ()
    weekday_strength: float = 0.0
    months: tuple[int, ...] = ()
    month_strength: float | None = None
    trend_per_year: float | None = None
    trend: str = ""
    season: str = ""
    weekday: str = ""


@dataclass(frozen=True)
class TableProfile:
    """One raw table with everything that was measured of it, whatever becomes of it.

    Attributes
    ----------
    table : RawTable
    columns : tuple of ColumnProfile
        In the file's order.
    different_rows : int
        Rows without exact copies.
    keys : tuple of Key
        Single columns first, the likeliest first; a key has one value per different row.
    identifiers : tuple of IdentifierFacts
        Columns that may identify a customer or an object, the likeliest customer first.
    time : TimeRole or None
    time_pairs : tuple of TimePair
    versions : RowVersions or None
    reversal : Reversal or None
    totals : Totals or None
    fixed : dict of str to dict of str to float
        By identifier column and column: share of the identifier's values with several rows that have one value of the
        column throughout.
    correlated : tuple of (str, str, float)
        Numeric columns (safe names) with a correlation of at least 0.98 in absolute value.
    odd_codes : dict of str to (int, tuple of str)
        Identifiers of which a few have no digit where nearly all others do: rows and examples.
    timeline : Timeline or None
    shifted_copies : ShiftedCopies or None
    computed_times : tuple of ComputedTime
        When a row was written, where a start and a duration tell it.
    sampled_rows : int or None
        Rows behind quantiles, shapes and associations; None for all.
    """

    table: RawTable
    columns: tuple[ColumnProfile, ...]
    different_rows: int
    keys: tuple[Key, ...] = ()
    identifiers: tuple[IdentifierFacts, ...] = ()
    time: TimeRole | None = None
    time_pairs: tuple[TimePair, ...] = ()
    versions: RowVersions | None = None
    reversal: Reversal | None = None
    totals: Totals | None = None
    fixed: dict[str, dict[str, float]] = field(default_factory=dict)
    correlated: tuple[tuple[str, str, float], ...] = ()
    odd_codes: dict[str, tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    timeline: Timeline | None = None
    shifted_copies: ShiftedCopies | None = None
    computed_times: tuple[ComputedTime, ...] = ()
    sampled_rows: int | None = None

    @property
    def name(self) -> str:
        """Source name."""
        return self.table.name

    @property
    def rows(self) -> int:
        """Rows of the file that are no rejected lines."""
        return self.table.rows - sum(self.table.rejected.values())

    def profile_of(self, name: str) -> ColumnProfile:
        """The profile of a column by its safe name."""
        return next(c for c in self.columns if c.column.name == name)

    def column(self, name: str) -> Column:
        """A column by its safe name."""
        return self.profile_of(name).column

    def time_pair(self, first: str, second: str) -> TimePair | None:
        """Two columns of times (safe names) compared in this order; None where they were not compared."""
        pairs = (*self.time_pairs, *(pair.reversed for pair in self.time_pairs))
        return next((pair for pair in pairs if (pair.first, pair.second) == (first, second)), None)

    def identifier(self, name: str) -> IdentifierFacts | None:
        """The facts of an identifier by its safe name."""
        return next((i for i in self.identifiers if i.column == name), None)


@dataclass(frozen=True)
class Relation:
    """Columns of one table whose values are those of a key of another.

    Attributes
    ----------
    child, parent : str
        Source names.
    child_columns, parent_columns : tuple of str
        Safe names, pairwise; several for a composite key.
    cardinality : str
        ``n:1``, ``1:1``, or ``n:m`` where neither side is a key.
    spelling : str
        How values must be read to be equal: ``exact``, ``case``, ``zeros`` or ``point_zero``; see
        :data:`python_ml.profile.relations.SPELLINGS`.
    values, values_matched : int
        Different values of the child, and those that exist in the parent.
    rows, rows_matched : int
        Rows of the child with a value, and those whose value exists in the parent.
    keys, keys_used : int
        Different values of the parent, and those that the child has.
    name_score : float
        0 (the names have nothing in common) to 1 (they say the same).
    chance : float
        Share of the child's values that would exist in the parent by chance, as running numbers do.
    is_given : bool
        Whether the user named it.
    """

    child: str
    child_columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    cardinality: Literal["n:1", "1:1", "n:m"]
    spelling: str
    values: int
    values_matched: int
    rows: int
    rows_matched: int
    keys: int
    keys_used: int
    name_score: float
    chance: float = 0.0
    is_given: bool = False

    @property
    def inclusion(self) -> float:
        """Share of the child's different values that exist in the parent."""
        return self.values_matched / self.values if self.values else 0.0


@dataclass(frozen=True)
class OrderViolation:
    """Rows whose times contradict each other, within a row or between a row and the one that it points at."""

    kind: Literal["within_row", "across_tables"]
    table: str
    time: str
    other_table: str
    other_time: str
    compared: int
    violated: int
    text: str

    @property
    def share(self) -> float:
        """Share of the compared rows."""
        return self.violated / self.compared if self.compared else 0.0


@dataclass(frozen=True)
class IntervalEstimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ChurnRate:
    """Share of churned rows in a group."""

    group: str
    rows: int
    churned: int
    rate: IntervalEstimate


@dataclass(frozen=True)
class Association:
    """How a column goes together with an outcome.

    Attributes
    ----------
    column : str
        Safe name.
    measure : str
        ``auc`` for numbers and times, ``cramers_v`` for categories.
    rows : int
    value : float
    interval : IntervalEstimate or None
        Of the AUC. Above 0.5, higher values churn more often.
    rates : tuple of ChurnRate
    leak : str
        ``critical`` or ``high`` where a leakage probe says that the column knows the outcome; empty otherwise.
    leak_reasons : tuple of str
    """

    column: str
    measure: Literal["auc", "cramers_v"]
    rows: int
    value: float
    interval: IntervalEstimate | None = None
    rates: tuple[ChurnRate, ...] = ()
    leak: Literal["critical", "high", ""] = ""
    leak_reasons: tuple[str, ...] = ()

    @property
    def strength(self) -> float:
        """0 to 1, comparable between the two measures."""
        return abs(2 * self.value - 1) if self.measure == "auc" else self.value


@dataclass(frozen=True)
class OutcomeColumn:
    """A column with an outcome, and which of its values mean churn.

    Attributes
    ----------
    table, column : str
        Source name and safe name.
    churned, retained : tuple of str
        Values as bronze compares them: lower case, trimmed, without a trailing ``.0``.
    counts : dict of str to int
        Rows per value, the most frequent first.
    missing : int
        Rows without a value: they can be scored, but teach nothing.
    reason : str
        Why ``churned`` means churn.
    positive_is_retained : bool
        Whether the affirmative value of the column means retained.
    warning : str
        What a person should check; empty for nothing.
    is_given : bool
    associations : tuple of Association
        The strongest first.
    """

    table: str
    column: str
    churned: tuple[str, ...]
    retained: tuple[str, ...]
    counts: dict[str, int] = field(default_factory=dict)
    missing: int = 0
    reason: str = ""
    positive_is_retained: bool = False
    warning: str = ""
    is_given: bool = False
    associations: tuple[Association, ...] = ()

    @property
    def churned_rows(self) -> int:
        """Rows whose value means churn."""
        return sum(self.counts.get(value, 0) for value in self.churned)

    @property
    def labelled_rows(self) -> int:
        """Rows with a value."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class OutcomeAgreement:
    """An outcome of customers compared with a table of departures: how many customers churned by each of them.

    Attributes
    ----------
    table, column, raw_name : str
        The outcome: source name, safe name and name in the file.
    departures : str
        Source with one row per departure.
    both, outcome_only, departures_only, neither : int
        Customers with an outcome: churned by both, by the outcome alone, by the departures alone, by neither.
    """

    table: str
    column: str
    raw_name: str
    departures: str
    both: int
    outcome_only: int
    departures_only: int
    neither: int

    @property
    def compared(self) -> int:
        """Customers with an outcome."""
        return self.agreed + self.outcome_only + self.departures_only

    @property
    def agreed(self) -> int:
        """Customers of whom both say the same."""
        return self.both + self.neither

    @property
    def share(self) -> float:
        """Share of the customers of whom both say the same."""
        return self.agreed / self.compared if self.compared else 0.0

    @property
    def text(self) -> str:
        """One sentence."""
        percent = f"{self.share:.0%}" if self.share < 0.99 else f"{self.share:.2%}"
        return (
            f"`{self.raw_name}` of {self.table} agrees with {self.departures} for {self.agreed:,} of "
            f"{self.compared:,} customers ({percent}): {self.departures_only:,} have a row of {self.departures} and "
            f"are retained by `{self.raw_name}`, {self.outcome_only:,} are churned by it without such a row"
        )

    def reversed(self) -> OutcomeAgreement:
        """The same where the other value of the outcome means churn."""
        return replace(
            self,
            both=self.departures_only,
            outcome_only=self.neither,
            departures_only=self.both,
            neither=self.outcome_only,
        )


@dataclass(frozen=True)
class Distinction:
    """What sets a segment apart: the median of an attribute, or the share of a value, in it and overall."""

    attribute: str
    value: str
    in_segment: float
    overall: float


@dataclass(frozen=True)
class Segment:
    """Customers (or rows) that are alike, and the share of them that churned."""

    number: int
    rows: int
    share: float
    text: str
    marks: tuple[Distinction, ...] = ()
    churned: ChurnRate | None = None


@dataclass(frozen=True)
class Segments:
    """Groups that attributes form without the outcome; ``is_supported`` says whether there are any."""

    table: str
    of: Literal["rows", "customers"]
    rows: int
    attributes: tuple[str, ...]
    silhouette: float
    silhouette_shuffled: float
    is_supported: bool
    text: str
    segments: tuple[Segment, ...] = ()


@dataclass(frozen=True)
class Quadrant:
    """Customers by tenure and intensity, each split at its median."""

    tenure: Literal["long", "short"]
    intensity: Literal["high", "low"]
    customers: int
    events: int
    recently_active: float


@dataclass(frozen=True)
class Cohort:
    """Customers by when they were first seen, and the share of them seen in the last 90 days."""

    start: date
    customers: int
    recently_active: float


@dataclass(frozen=True)
class Activity:
    """The activity of all customers in a table of events, with whatever the calendar needs.

    Attributes
    ----------
    source : str
    first, last : datetime
        Of the kept rows; ``last`` leaves out a thin tail of later rows.
    customers, customer_days : int
        Customers, and different pairs of customer and day.
    gap_median, gap_p75 : float or None
        Days between two active days of a customer.
    returning : float
        Share of customers with at least two active days.
    occupied : dict of str to float
        Share of windows of a length, laid end to end along each customer's life, that hold an event.
    at_risk : dict of str to float
        Mean number of customers active within a window (such as ``180d``) before a time, at nine times.
    quadrants, cohorts : tuple
        For the page.
    """

    source: str
    first: datetime
    last: datetime
    customers: int
    customer_days: int
    gap_median: float | None = None
    gap_p75: float | None = None
    returning: float = 0.0
    occupied: dict[str, float] = field(default_factory=dict)
    at_risk: dict[str, float] = field(default_factory=dict)
    quadrants: tuple[Quadrant, ...] = ()
    cohorts: tuple[Cohort, ...] = ()

    @property
    def span_days(self) -> int:
        """Days from the first event to the start of the last day."""
        return (self.last.date() - self.first.date()).days


DELAY_QUANTILE = 0.99  # of the delays for which labels wait


@dataclass(frozen=True)
class Delays:
    """How late rows arrive, in days, of those that happened since the first of them arrived.

    Attributes
    ----------
    high, longest : float
        The quantile :data:`DELAY_QUANTILE`, and the greatest.
    rows : int
    """

    high: float
    longest: float
    rows: int


@dataclass(frozen=True)
class RowCounts:
    """What becomes of the rows of a source, predicted before anything is built; a parity test holds it to bronze.

    Attributes
    ----------
    rows : int
        Rows of the raw table, rejected lines included.
    quarantined : dict of str to int
        By reason, as bronze will write it.
    unlinked : dict of str to int
        Kept by bronze, but not linked, by reason.
    copies : int
        Exact copies of another row among the kept rows.
    first, last : datetime or None
        Of the rows that are kept and linked.
    """

    rows: int
    quarantined: dict[str, int] = field(default_factory=dict)
    unlinked: dict[str, int] = field(default_factory=dict)
    copies: int = 0
    first: datetime | None = None
    last: datetime | None = None

    @property
    def kept(self) -> int:
        """Rows that are kept and linked."""
        return self.rows - sum(self.quarantined.values()) - sum(self.unlinked.values())


@dataclass(frozen=True)
class LabelFacts:
    """Supplied labels as they will be used.

    Attributes
    ----------
    source : str
    rows, labelled, churned : int
        Different customers and times; those with an outcome; those that churned.
    customers, without_events : int
        Customers with a label, and those of them without any event.
    first, last : datetime
        Oldest and newest as-of time.
    newest_unlabelled : datetime or None
        Newest as-of time, where rows without an outcome have it.
    recency_p99 : float or None
        Days since the last event in 99 of 100 labelled rows.
    early, late : int
        Rows before the first event, and more than a day after the last one.
    beyond : int
        Labelled rows whose outcome became known after the last event.
    parts : dict of str to (int, int)
        Retained and churned rows by part of the split, where the split is given.
    """

    source: str
    rows: int
    labelled: int
    churned: int
    customers: int
    without_events: int
    first: datetime
    last: datetime
    newest_unlabelled: datetime | None = None
    recency_p99: float | None = None
    early: int = 0
    late: int = 0
    beyond: int = 0
    parts: dict[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Preview:
    """Customers at risk and the share of them that churn, at the last feature time with a known outcome."""

    feature_timestamp: datetime
    customers: int
    churn_rate: float


@dataclass(frozen=True)
class Profile:
    """All facts about the raw files of a project: what the plan is made of.

    Attributes
    ----------
    tables : tuple of TableProfile
        In the order in which the files were given.
    relations : tuple of Relation
    refused_relations : tuple of str
        Columns that are named alike and yet do not belong together, with the reason.
    outcomes : tuple of OutcomeColumn
    order_violations : tuple of OrderViolation
    agreements : tuple of OutcomeAgreement
    segments : tuple of Segments
    rows : dict of str to RowCounts
        By source; measured once roles are decided.
    activities : dict of str to Activity
        By source of events; measured once roles are decided.
    labels : LabelFacts or None
    preview : Preview or None
    """

    tables: tuple[TableProfile, ...]
    relations: tuple[Relation, ...] = ()
    refused_relations: tuple[str, ...] = ()
    outcomes: tuple[OutcomeColumn, ...] = ()
    order_violations: tuple[OrderViolation, ...] = ()
    agreements: tuple[OutcomeAgreement, ...] = ()
    segments: tuple[Segments, ...] = ()
    rows: dict[str, RowCounts] = field(default_factory=dict)
    activities: dict[str, Activity] = field(default_factory=dict)
    labels: LabelFacts | None = None
    preview: Preview | None = None

    def table(self, name: str) -> TableProfile:
        """A table by its source name."""
        return next(t for t in self.tables if t.name == name)
