"""The split of supplied labels: by dates that the user names, by a column of the file, or by time as everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from python_ml.errors import UserError
from python_ml.onboarding.label_rows import TABLE
from python_ml.onboarding.rhythm import days_of
from python_ml.onboarding.specification import Decision

if TYPE_CHECKING:
    import duckdb

    from python_ml.onboarding.labels import LabelSpec
    from python_ml.onboarding.rhythm import Choices


@dataclass(frozen=True)
class SplitDates:
    """Where validation and test begin, as the user said it."""

    validation_from: datetime | None = None
    test_from: datetime | None = None

    @classmethod
    def parse(cls, validation_from: str | None, test_from: str | None) -> SplitDates:
        """Read the flags.

        Raises
        ------
        UserError
            When one is no date, or the test does not begin after the validation.
        """
        found = cls(_date(validation_from, "--val-from"), _date(test_from, "--test-from"))
        if found.validation_from and found.test_from and found.validation_from >= found.test_from:
            raise UserError(
                f"The validation ({validation_from}) does not begin before the test ({test_from}).",
                where="--val-from, --test-from",
                hint="let --val-from lie before --test-from",
            )
        return found

    def __bool__(self) -> bool:
        return self.validation_from is not None or self.test_from is not None


def split_settings(labels: LabelSpec, dates: SplitDates) -> tuple[dict[str, str | None], Decision]:
    """What ``training.split`` of ``retention.yml`` says, and the decision that explains it."""
    if labels.split is not None:
        values = {"column": "supplied_split"}
        reason = f"as the column `{labels.split.raw_name}` of the labels says"
        return values, Decision("split", labels.split.raw_name, reason, "--label-column split=…")
    given = {"validation_from": dates.validation_from, "test_from": dates.test_from}
    values = {name: None if value is None else value.isoformat(sep=" ") for name, value in given.items()}
    if dates:
        shown = ", ".join(f"{name.removesuffix('_from')} from {value}" for name, value in values.items() if value)
        return values, Decision("split", shown, "as told", "--val-from, --test-from", True)
    if labels.first == labels.last:
        return values, Decision(
            "split", "cross-validation", "all labels are of one time: no later one can be set apart"
        )
    return values, Decision("split", "by time", "the last fifth tests, the fifth before it validates", "--test-from")


def check_split(
    connection: duckdb.DuckDBPyConnection, labels: LabelSpec, choices: Choices, dates: SplitDates, path: str
) -> None:
    """Hold that every part has leavers and stayers, before anything is built."""
    ends = label_time_sql(labels, choices)
    if labels.split is not None:
        parts = {part: f"part = '{part}'" for part in labels.split_values}
        where, hint = f"{path}, column {labels.split.raw_name}", "deal leavers and stayers into every part"
    elif dates:
        validation, test = dates.validation_from, dates.test_from
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
            f"as-of times run from {labels.first:%Y-%m-%d} to {labels.last:%Y-%m-%d}; choose dates that leave leavers "
            "and stayers on either side, also when labels that reach over a date are left out"
        )
    else:
        return
    for part, condition in parts.items():
        stayed, left = connection.execute(
            f"select count(*) filter (where churned = 0), count(*) filter (where churned = 1) from {TABLE} "
            f"where {condition}"
        ).fetchall()[0]
        if not stayed or not left:
            who = "no labelled row" if not stayed and not left else f"nobody who {'left' if not left else 'stayed'}"
            raise UserError(f"The {part} part has {who}.", where=where, hint=hint)


def label_time_sql(labels: LabelSpec, choices: Choices) -> str:
    """SQL of when a label was known, over ``label_rows``."""
    if choices.horizon is not None:
        hours = 24 * (days_of(choices.horizon, "horizon") + days_of(choices.gap or "0d", "gap"))
        return f"coalesce(known_at, as_of + interval {round(hours)} hour)"
    return "as_of" if labels.known is None else "known_at"


def _date(text: str | None, flag: str) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UserError(f"`{text}` is no date.", where=flag, hint="write it as 2024-05-01") from error
    if found.tzinfo is not None:
        found = found.astimezone(UTC).replace(tzinfo=None)
    return found
