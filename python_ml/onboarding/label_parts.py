"""Which column of a file of labels plays which part: by the user's word, by names, by values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from python_ml.errors import UserError
from python_ml.names import words
from python_ml.onboarding import detection
from python_ml.onboarding.detection import FileProfile, Finding
from python_ml.onboarding.profiling import MOSTLY
from python_ml.onboarding.target import LEAVING, MOST_VALUES, STAYING, value_sql
from python_ml.warehouse import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from python_ml.onboarding.profiling import ColumnProfile

PARTS = ("entity", "time", "label", "known", "split")
SPLIT = ("train", "validation", "test")
SPLIT_COLUMN = "supplied_split"  # in silver and in the training set
_NAMES = {
    "label": {"label", "y", "target", "class", "outcome"},
    "split": {"split", "fold", "part", "partition", "subset", "set", "sample"},
    "known": {"label", "outcome", "decided", "observed", "known", "resolved", "until", "horizon"},
}
_SPLIT_VALUES = {
    "train": {"train", "training", "tr", "fit", "learn"},
    "validation": {"validation", "val", "valid", "dev", "eval"},
    "test": {"test", "testing", "holdout", "hold-out", "oot", "out of time"},
}


def name_parts(profile: FileProfile, given: Sequence[str]) -> dict[str, ColumnProfile]:
    """Read the columns that the user named, as ``part=column``.

    Raises
    ------
    UserError
        When one is not written so, is named twice, or is not there.
    """
    named: dict[str, ColumnProfile] = {}
    for text in given:
        part, mark, name = text.partition("=")
        part = part.strip().lower()
        if not mark or part not in PARTS:
            raise UserError(
                f"`{text}` names no part of the labels.",
                where="--label-column",
                hint=f"write PART=COLUMN, where PART is one of {', '.join(PARTS)}",
            )
        column = profile.column(name.strip())
        if column is None:
            raise UserError(
                f"The labels have no column `{name.strip()}`.",
                where=f"--label-column, {profile.file.path}",
                hint="choose one of " + ", ".join(c.raw_name for c in profile.columns[:30]),
            )
        if part in named or column in named.values():
            raise UserError(
                f"`{text}` names a part or a column a second time.",
                where="--label-column",
                hint="name each part once, and a column of its own for each",
            )
        named[part] = column
    return named


def says_outcome(column: ColumnProfile) -> bool:
    """Whether a column is named like an outcome, or like the time of one."""
    return bool(set(words(column.raw_name)) & (_NAMES["known"] | LEAVING))


def find_label(profile: FileProfile, used: list[ColumnProfile], named: ColumnProfile | None) -> Finding:
    """The column with the outcome.

    Raises
    ------
    UserError
        When no column, or more than one, could be it.
    """
    if named is not None:
        return Finding(named, ("named with --label-column",))
    free = [c for c in profile.columns if c not in used and c.kind not in ("empty", "time")]
    speaking = [c for c in free if set(words(c.raw_name)) & (_NAMES["label"] | LEAVING | STAYING)]
    if speaking:
        best = max(speaking, key=lambda c: (c.distinct <= MOST_VALUES, bool(set(words(c.raw_name)) & _NAMES["label"])))
        return Finding(best, ("its name says the outcome",))
    classes = [c for c in free if c.kind == "boolean" or (c.kind in ("number", "text") and c.distinct == 2)]
    classes = [c for c in classes if not set(words(c.raw_name)) & _NAMES["split"]]
    if len(classes) == 1:
        return Finding(classes[0], ("it is the only column with two values",))
    raise UserError(
        "No column of the labels says the outcome." if not classes else "Several columns could be the outcome.",
        where=str(profile.file.path),
        hint="call it `churned` (1 for customers who left, 0 for those who stayed), or name it with --label-column "
        "label=COLUMN; columns: " + ", ".join(c.raw_name for c in (classes or profile.columns)[:30]),
    )


def find_known(
    connection: duckdb.DuckDBPyConnection,
    profile: FileProfile,
    time: ColumnProfile,
    label: str,
    used: list[ColumnProfile],
    named: ColumnProfile | None,
) -> Finding | None:
    """The column that says when the outcome was known: filled in for leavers and stayers, and later than the row.

    Raises
    ------
    UserError
        When the column that the user named is not so.
    """
    possible = [named] if named else [c for c in profile.columns if c not in used and c.kind == "time"]
    for column in possible:
        if named is None and not says_outcome(column):
            continue
        if column.time is None:
            share = None
        else:
            asked, when = detection.event_time_sql(time), detection.event_time_sql(column)
            share = connection.execute(
                f"select avg(case when {when} >= {asked} then 1.0 else 0.0 end) from {quote(profile.view)} "
                f"where coalesce({label}, '') <> '' and {asked} is not null"
            ).fetchall()[0][0]
        if share is not None and share >= (1 if named else MOSTLY):
            reason = "named with --label-column" if named else "its name says the label"
            return Finding(column, (reason, f"not before `{time.raw_name}` in {share:.1%} of the labelled rows"))
        if named is not None:
            raise UserError(
                f"`{column.raw_name}` does not say when each outcome was known: "
                + (
                    "its values are no times."
                    if share is None
                    else f"it is filled in, and not before `{time.raw_name}`, in only {share:.1%} of the labelled rows."
                ),
                where=f"{profile.file.path}, --label-column known={column.raw_name}",
                hint="bring it for leavers and stayers alike, or say how far the labels look ahead with --horizon",
            )
    return None


def find_split(
    connection: duckdb.DuckDBPyConnection,
    profile: FileProfile,
    used: list[ColumnProfile],
    named: ColumnProfile | None,
) -> tuple[Finding, dict[str, tuple[str, ...]]] | None:
    """The column that says train, validation or test, with its values by part.

    Raises
    ------
    UserError
        When the column that the user named says something else, or lacks train or test.
    """
    possible = [named] if named else [c for c in profile.columns if c not in used]
    for column in possible:
        if named is None and not set(words(column.raw_name)) & _NAMES["split"]:
            continue
        values = [
            v
            for (v,) in connection.execute(
                f"select distinct {value_sql(column)} as value from {quote(profile.view)} "
                f"where coalesce({value_sql(column)}, '') <> '' order by value limit {MOST_VALUES + 1}"
            ).fetchall()
        ]
        found = {
            part: tuple(v for v in values if v.replace("_", " ") in spellings)
            for part, spellings in _SPLIT_VALUES.items()
        }
        found = {part: known for part, known in found.items() if known}
        strange = [v for v in values if not any(v in known for known in found.values())]
        if not strange and {"train", "test"} <= set(found):
            reason = "named with --label-column" if named else "its name and its values say a split"
            return Finding(column, (reason, "values " + ", ".join(values))), found
        if named is not None or found:
            raise UserError(
                f"The split `{column.raw_name}` holds "
                + (
                    f"{', '.join(map(repr, strange[:5]))}."
                    if strange
                    else f"no {'test' if 'train' in found else 'train'}."
                ),
                where=f"{profile.file.path}, column {column.raw_name}",
                hint="write train, validation (or none) and test",
            )
    return None
