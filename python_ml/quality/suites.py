"""The suites: what is expected of a training frame and of a scoring frame, as lists of checks.

Expectations come from the feature registry (roles, types, aggregates), from the data's own calendar, and from what a
reference frame showed. What dbt tests on the same tables is not checked again, but for the frame's key: see
docs/decisions on who owns which test.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from python_ml.formatting import counted, integer, percent
from python_ml.input_columns import CATEGORY, FLAG, NUMBER, InputColumn
from python_ml.quality.checks import CRITICAL, TRAINING, Check

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.dbt import Feature
    from python_ml.quality.facts import ColumnFacts, Facts
    from python_ml.settings import Quality

# As the library names the types of pandas columns, and of the values of an object column.
_NUMBERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
TYPES = {
    NUMBER: [*_NUMBERS, "float32", "float64", "int", "float", "Decimal"],
    FLAG: ["bool"],
    CATEGORY: ["str"],
}
LEAST_ODD_ROWS = 5  # fewer rows than these are never a finding, however small the frame
MANY_TIMES = 3  # more customers than this often the most that there ever were: loaded twice, or another population
_NOT_NEGATIVE = re.compile(
    r"count|nunique|days_since_\w+|\w+_gap_days|gap_stddev_days|recency_per_\w+|active_days|\w+_streak_days|stddev|variance|entropy|share"
)

REBUILD = "run `retention build` with its tests, and look at what makes the table"
SOURCE = (
    "look at the sources of the column and at their last load; its description in dbt's docs says what it is made of"
)


@dataclass(frozen=True)
class Calendar:
    """The data's own time; nothing here is the wall clock's.

    Attributes
    ----------
    observation_end : datetime or None
        Up to when the data is complete; None where the data has no dates.
    step : timedelta or None
        From one feature time to the next, at most.
    maturity_lag : timedelta
        How long labels wait for rows that arrive late.
    """

    observation_end: datetime | None = None
    step: timedelta | None = None
    maturity_lag: timedelta = timedelta(0)


def step_of(text: object) -> timedelta | None:
    """Read the variable ``step``; a month counts as its longest. None where it is none."""
    match = re.fullmatch(r"(\d+)\s*(h|d|w|months?)", str(text or "").strip())
    if match is None:
        return None
    return int(match[1]) * timedelta(hours={"h": 1, "d": 24, "w": 168}.get(match[2], 31 * 24))


def structure(columns: Sequence[InputColumn], entity: str, suite: str) -> list[Check]:
    """Columns, key and types: what must hold before anything else can be checked.

    Parameters
    ----------
    columns : sequence of InputColumn
        Those that the model is to use, or uses.
    entity : str
        Key column.
    suite : str
        ``training`` or ``scoring``.
    """
    key = [entity, "feature_timestamp"]
    needed = [*key, *(["churned", "label_timestamp"] if suite == TRAINING else []), *(c.name for c in columns)]
    # A scoring frame has one row per customer; a training frame one per customer and feature time.
    unique = (
        ("expect_compound_columns_to_be_unique", {"column_list": key}, f"{entity} and feature_timestamp are the key")
        if suite == TRAINING
        else ("expect_column_values_to_be_unique", {"column": entity}, f"{entity} is the key")
    )
    checks = [
        Check(
            "columns",
            None,
            "expect_table_columns_to_match_set",
            {"column_set": needed, "exact_match": False},
            f"{counted(len(needed), 'column')} must be there",
            CRITICAL,
            hint="run `retention build` and `retention train`, so that tables, metadata and model belong together",
        ),
        *(
            Check(
                "key_present",
                None,
                "expect_column_values_to_not_be_null",
                {"column": name},
                f"{name} must never be empty",
                CRITICAL,
                hint=REBUILD,
            )
            for name in key
        ),
        Check("key_unique", None, *unique[:2], unique[2], CRITICAL, hint=REBUILD),
    ]
    for column in columns:
        checks.append(
            Check(
                "type",
                column.name,
                "expect_column_values_to_be_in_type_list",
                {"type_list": TYPES[column.kind]},
                f"a {column.kind} is registered" if suite == TRAINING else f"the model was fitted on a {column.kind}",
                CRITICAL,
                hint="cast it in gld_customer_features, or correct its data_type there",
            )
        )
    return checks


def of_training(
    columns: Sequence[InputColumn], features: Sequence[Feature], rows: int, calendar: Calendar, limits: Quality
) -> list[Check]:
    """What is expected of a training frame by itself."""
    checks = [
        Check(
            "row_count",
            None,
            "expect_table_row_count_to_be_between",
            {"min_value": limits.least_rows},
            f"at least {integer(limits.least_rows)} are needed (quality.least_rows)",
            CRITICAL,
            hint="bring a longer history or more customers, or lower quality.least_rows in retention.yml",
        )
    ]
    if calendar.observation_end is not None:
        checks.append(_not_later("label_timestamp", calendar.observation_end))
        if calendar.step is not None:
            matured = calendar.observation_end - calendar.maturity_lag
            oldest = matured - limits.stale_steps * calendar.step
            checks.append(
                Check(
                    "freshness",
                    "label_timestamp",
                    "expect_column_max_to_be_between",
                    {"min_value": oldest},
                    f"outcomes should be known up to {limits.stale_steps:g} steps before the data "
                    f"{'is mature' if calendar.maturity_lag else 'ends'} ({matured.isoformat()})",
                    hint="see whether feature times or labels stopped being made: `retention build --full-refresh`",
                )
            )
    aggregates = {feature.name: feature.aggregate or "" for feature in features}
    for column in columns:
        if column.kind == NUMBER and _NOT_NEGATIVE.fullmatch(aggregates.get(column.name, "")):
            most = {"max_value": 1.0} if aggregates[column.name] == "share" else {}
            checks.append(
                Check(
                    "sign",
                    column.name,
                    "expect_column_values_to_be_between",
                    {"min_value": 0.0, **most},
                    f"a {aggregates[column.name]} lies between 0 and 1" if most else "it cannot be negative",
                    CRITICAL,
                    hint=f"its SQL or its registered aggregate ({aggregates[column.name]}) is wrong; days that are "
                    "negative would be days in the future",
                )
            )
        checks.append(
            Check(
                "empty",
                column.name,
                "expect_column_values_to_not_be_null",
                {"mostly": 0.5 / max(rows, 1)},
                "somebody should have a value",
                hint="leave it out (`features: {exclude: […]}`), or see why nothing is there",
            )
        )
    return checks


def of_scoring(facts: Facts, calendar: Calendar, limits: Quality) -> list[Check]:
    """What is expected of a scoring frame besides :func:`compared`: that it is of now, by the data's own clock."""
    oldest = [] if facts.last is None else [(datetime.fromisoformat(facts.last), "the model was trained up to then")]
    if calendar.observation_end is not None and calendar.step is not None:
        end, steps = calendar.observation_end, f"{limits.stale_steps:g} steps before the data ends"
        oldest.append((end - limits.stale_steps * calendar.step, f"{steps} ({end.isoformat()})"))
    checks = []
    if oldest:
        moment, why = max(oldest)
        checks.append(
            Check(
                "freshness",
                "feature_timestamp",
                "expect_column_min_to_be_between",
                {"min_value": moment},
                f"no row may be older than {moment.isoformat()}: {why}",
                CRITICAL,
                hint="run `retention build`; if feature times stopped being made, with --full-refresh",
            )
        )
    if calendar.observation_end is not None:
        checks.append(_not_later("feature_timestamp", calendar.observation_end))
    return checks


def _not_later(column: str, end: datetime) -> Check:
    return Check(
        "future",
        column,
        "expect_column_max_to_be_between",
        {"max_value": end},
        f"the data ends at {end.isoformat()}",
        CRITICAL,
        hint="check the variable observation_end in dbt_project.yml, and run `retention build --full-refresh`",
    )


def compared(
    facts: Facts,
    frame: pd.DataFrame,
    limits: Quality,
    *,
    elapsed: float,
    seen: str = "in training",
    stops: bool = True,
) -> list[Check]:
    """What is expected of a frame by what a reference frame showed.

    Parameters
    ----------
    facts : Facts
        Of the reference frame.
    frame : pandas.DataFrame
        The frame that will be looked at. Only its size matters, and how many values each column has: a few odd ones
        among few are no finding.
    limits : Quality
        Thresholds.
    elapsed : float
        Time from the reference's last feature time to the frame's, as a share of the reference's own history:
        what can only grow is given as much more room.
    seen : str
        Where the reference was seen.
    stops : bool
        Whether great deviations are critical.
    """
    checks = list(_row_counts(facts, limits, seen, stops))
    for column in facts.columns:
        values = int(frame[column.name].notna().sum()) if column.name in frame else 0
        checks += [
            *_null_rate(column, len(frame), limits, seen, stops),
            *_range(column, values, limits, elapsed, seen, stops),
            *_categories(column, values, limits, seen, stops),
        ]
    return checks


def shrunk(facts: Facts, limits: Quality) -> list[Check]:
    """That a training frame is not much smaller than the one before it."""
    least = math.ceil(facts.rows * (1 - limits.fewer_rows.warn))
    return [
        Check(
            "row_count",
            None,
            "expect_table_row_count_to_be_between",
            {"min_value": least},
            f"the champion was fitted on {integer(facts.rows)}; fewer than {integer(least)} are suspicious",
            hint="see whether a source was loaded in part",
        )
    ]


def _row_counts(facts: Facts, limits: Quality, seen: str, stops: bool) -> Iterator[Check]:
    if facts.usual_rows is None or facts.most_rows is None:
        return
    expectation = "expect_table_row_count_to_be_between"
    least = math.ceil(facts.usual_rows * (1 - limits.fewer_rows.warn))
    yield Check(
        "row_count",
        None,
        expectation,
        {"min_value": least},
        f"{seen}, a recent feature time had {integer(facts.usual_rows)}; fewer than {integer(least)} are suspicious",
        critical_below=facts.usual_rows * (1 - limits.fewer_rows.stop) if stops else None,
        hint="see whether a source was loaded in part, and whether customers are still at risk by the definition",
    )
    yield Check(
        "row_count",
        None,
        expectation,
        {"max_value": MANY_TIMES * facts.most_rows},
        f"{seen}, no feature time had more than {integer(facts.most_rows)}; {MANY_TIMES} times as many are suspicious",
        hint="see whether customers were loaded twice, or whether they are others than before",
    )


def _null_rate(column: ColumnFacts, rows: int, limits: Quality, seen: str, stops: bool) -> Iterator[Check]:
    allowed = _room(column.missing_most + limits.null_jump.warn, rows)
    if allowed >= 1:
        return
    yield Check(
        "null_rate",
        column.name,
        "expect_column_values_to_not_be_null",
        {"mostly": 1 - allowed},
        f"{seen}, {percent(column.missing_most)} were at most; up to {percent(allowed)} may be",
        critical_above=column.missing_most + limits.null_jump.stop if stops else None,
        hint=SOURCE,
    )


def _range(
    column: ColumnFacts, values: int, limits: Quality, elapsed: float, seen: str, stops: bool
) -> Iterator[Check]:
    if column.low is None or column.high is None or not column.low < column.high:
        return
    room = limits.range_margin * (column.high - column.low)
    growth = elapsed * (column.high - column.low) if column.grows else 0.0
    low, high = column.low - room, column.high + room + growth
    if not (math.isfinite(low) and math.isfinite(high)):
        return
    allowed = _room(limits.out_of_range.warn, values)
    yield Check(
        "range",
        column.name,
        "expect_column_values_to_be_between",
        {"min_value": low, "max_value": high, "mostly": 1 - allowed},
        f"{seen}, nearly all lay between {figure(column.low)} and {figure(column.high)}; up to {percent(allowed)} may "
        f"lie outside of {figure(low)} to {figure(high)}",
        critical_above=limits.out_of_range.stop if stops else None,
        hint=SOURCE + "; a unit may have changed",
    )


def _categories(column: ColumnFacts, values: int, limits: Quality, seen: str, stops: bool) -> Iterator[Check]:
    if not column.categories:
        return
    allowed = _room(limits.new_categories.warn, values)
    yield Check(
        "categories",
        column.name,
        "expect_column_values_to_be_in_set",
        {"value_set": column.categories, "mostly": 1 - allowed},
        f"{seen}, there were {counted(len(column.categories), 'value')}; up to {percent(allowed)} may have others",
        critical_above=limits.new_categories.stop if stops else None,
        hint=SOURCE + "; values may be spelt in another way",
    )


def _room(share: float, rows: int) -> float:
    """A share of rows that may be odd; among few rows, that of a few."""
    return min(1.0, max(share, LEAST_ODD_ROWS / max(rows, 1)))


def figure(value: Any) -> str:
    """A number as one writes it by hand: few digits, no more than it has."""
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) < 1e15 else f"{value:,.5g}"
