"""The split of supplied labels: by dates that the user names, by a column of the file, or by time as everywhere."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from python_ml.errors import UserError
from python_ml.plan.calendar import date_of, days_of
from python_ml.plan.schema import LabelTable, Options, Setting
from python_ml.profile.schema import Activity, LabelFacts, Profile

if TYPE_CHECKING:
    import duckdb

LATE_DAYS = 31  # as-of times this long after the last event are outside the data


def split_dates(options: Options, utc_offset: str = "") -> tuple[datetime | None, datetime | None]:
    """Where validation and test begin (UTC), as the user gave it.

    Parameters
    ----------
    options : Options
    utc_offset : str
        Clock of the labels' as-of times, such as ``+02:00``: dates are given by the same calendar.

    Raises
    ------
    UserError
        When a text is no date, or validation does not begin before the test.
    """
    validation = options.validation_from and date_of(options.validation_from, "--val-from")
    test = options.test_from and date_of(options.test_from, "--test-from")
    if validation and test and validation >= test:
        raise UserError(
            f"The validation ({options.validation_from}) does not begin before the test ({options.test_from}).",
            where="--val-from, --test-from",
            hint="choose a --val-from before --test-from",
        )
    ahead = timedelta()
    if utc_offset:
        sign = -1 if utc_offset.startswith("-") else 1
        ahead = sign * timedelta(hours=int(utc_offset[1:3]), minutes=int(utc_offset[4:6]))
    return validation and validation - ahead, test and test - ahead


def label_clock(profile: Profile, outcome: LabelTable, names: dict[str, str]) -> str:
    """Clock of the as-of times of labels; empty for UTC."""
    safe = next((column for column, name in names.items() if name == outcome.as_of.column), "")
    return profile.table(outcome.source).column(safe).reading.utc_offset if safe else ""


def split_setting(outcome: LabelTable, labels: LabelFacts, dates: tuple[datetime | None, datetime | None]) -> Setting:
    """The setting that explains the split; its value is a column, dates, or how rows are divided."""
    validation, test = dates
    if outcome.split:
        return Setting("split", outcome.split, "as the column of the labels gives it", "--label-column split=…")
    if validation or test:
        shown = ", ".join(
            f"{name} from {value.isoformat(sep=' ')}"
            for name, value in (("validation", validation), ("test", test))
            if value
        )
        return Setting("split", shown, "given", "--val-from, --test-from", True)
    if labels.first == labels.last:
        return Setting("split", "cross-validation", "all labels are of one time: no later one can be set apart")
    return Setting("split", "by time", "the last fifth is the test, the fifth before it validates", "--test-from")


def check_split(
    connection: duckdb.DuckDBPyConnection,
    profile: Profile,
    outcome: LabelTable,
    dates: tuple[datetime | None, datetime | None],
    settings: list[Setting],
) -> None:
    """Check that every part has churned and retained rows, before anything is built.

    Uses the table ``label_rows`` that :func:`python_ml.profile.measure_labels` makes.
    """
    validation, test = dates
    path = str(profile.table(outcome.source).table.path)
    labels = profile.labels
    given = {s.name: s.value for s in settings}
    ends = "coalesce(known_at, as_of)"
    if "horizon" in given:
        ahead = timedelta(days=days_of(given["horizon"], "horizon") + days_of(given.get("gap", "0d"), "gap"))
        ends = f"coalesce(known_at, as_of + interval {round(ahead.total_seconds())} second)"
    if outcome.split:
        parts = {part: f"part = '{part}'" for part in outcome.split_values}
        where, hint = f"{path}, the split", "put churned and retained rows into every part"
        without = connection.execute(
            "select count(*) from label_rows where churned is not null and part is null"
        ).fetchall()[0][0]
        if without:
            raise UserError(
                f"{without:,} labelled rows have no part of the split.",
                where=where,
                hint="fill the column with train, validation, test, or leave the label of such a row empty",
            )
    elif validation or test:
        parts, bounds = {}, []
        if test is not None:
            parts["test"] = f"as_of >= timestamp '{test}'"
            bounds.append(f"{ends} <= timestamp '{test}'")
        if validation is not None:
            parts["validation"] = " and ".join([f"as_of >= timestamp '{validation}'", *bounds])
        first = validation or test
        parts["train"] = f"as_of < timestamp '{first}' and {ends} <= timestamp '{first}'"
        where = "--val-from, --test-from"
        hint = (
            f"as-of times run from {labels.first:%Y-%m-%d} to {labels.last:%Y-%m-%d}; choose dates with churned and "
            "retained rows on either side, also when labels that reach over a date are left out"
        )
    else:
        return
    for part, condition in parts.items():
        retained, churned = connection.execute(
            "select count(*) filter (where churned = 0), count(*) filter (where churned = 1) from label_rows "
            f"where {condition}"
        ).fetchall()[0]
        if not retained or not churned:
            who = (
                "no labelled row" if not retained and not churned else f"no {'churned' if retained else 'retained'} row"
            )
            raise UserError(f"The {part} part has {who}.", where=where, hint=hint)


def label_reviews(profile: Profile, outcome: LabelTable, activity: Activity, labels: LabelFacts) -> list[str]:
    """What requires review in labels that are held against events.

    Raises
    ------
    UserError
        When no as-of time lies within the events, or no customer of the labels has an event.
    """
    path = str(profile.table(outcome.source).table.path)
    if labels.without_events >= labels.customers:
        raise UserError(
            f"None of the {labels.customers:,} customers of the labels is among those of {activity.source}.",
            where=path,
            hint="bring labels of the same customers, in the same spelling (leading zeros, case), or name another "
            "column with --label-column entity=COLUMN",
        )
    if labels.last <= activity.first or labels.first > activity.last + timedelta(days=LATE_DAYS):
        raise UserError(
            f"No as-of time of the labels ({labels.first:%Y-%m-%d} to {labels.last:%Y-%m-%d}) lies within the events "
            f"({activity.first:%Y-%m-%d} to {activity.last:%Y-%m-%d}).",
            where=path,
            hint="bring labels and events of the same period, or name another column with --label-column time=COLUMN",
        )
    reviews = []
    if labels.without_events:
        reviews.append(
            f"{labels.without_events:,} of {labels.customers:,} customers of the labels have no event in "
            f"{activity.source}: their features are missing"
        )
    if labels.early:
        reviews.append(
            f"{labels.early:,} of {labels.rows:,} rows of the labels are before the first event: their features are "
            "missing"
        )
    if labels.late:
        reviews.append(
            f"{labels.late:,} of {labels.rows:,} rows of the labels are more than a day after the last event: their "
            "features lack what happened since"
        )
    if labels.beyond:
        reviews.append(
            f"{labels.beyond:,} labels look beyond the last event ({activity.last:%Y-%m-%d}): they are taken as known, "
            "as they were supplied"
        )
    return reviews
