"""The target of a table without events: its two values, and which of them means that a customer has left."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_ml.errors import UserError
from python_ml.names import words
from python_ml.vocabulary import word_set
from python_ml.warehouse import quote

if TYPE_CHECKING:
    import duckdb

    from python_ml.onboarding.detection import FileProfile
    from python_ml.onboarding.profiling import ColumnProfile

LEAVING = word_set(
    "churn churned churns churner attrition attrited cancel cancelled canceled cancellation left leave leaves leaver "
    "lapsed lapse exit exited exits closed terminated termination inactive lost quit quits gone defected departed "
    "unsubscribed resigned dropped dormant"
)
STAYING = word_set(
    "retained retain retention active renewed renew renewal renews stayed stay stays stayer staying kept loyal "
    "existing current subscribed remaining remained continued survived alive"
)
_NEGATIONS = word_set("not no non never un")
_YES = word_set("yes y true t 1")
_NO = word_set("no n false f 0")
MOST_VALUES = 20  # more different values than this are no classes
SHOWN_VALUES = 8
NOT_CHURN = "positive class is not churn"


@dataclass(frozen=True)
class TargetSpec:
    """A target column and what its values mean.

    Attributes
    ----------
    raw_name, name : str
        In the file, and as a safe identifier.
    leaving, staying : tuple of str
        Values as bronze compares them: lower case, without blanks around them and without a trailing ``.0``.
    counts : dict of str to int
        Rows per value, the commonest first.
    missing : int
        Rows without a value: they can be scored, but teach nothing.
    evidence : str
        Why ``leaving`` means leaving.
    flag : str or None
        ``positive class is not churn`` when the affirmative value of the column means staying.
    doubt : str or None
        What a person should look at.
    options : tuple of str
        The values between which a person may choose.
    """

    raw_name: str
    name: str
    leaving: tuple[str, ...]
    staying: tuple[str, ...]
    counts: dict[str, int] = field(default_factory=dict)
    missing: int = 0
    evidence: str = ""
    flag: str | None = None
    doubt: str | None = None
    options: tuple[str, ...] = ()

    @property
    def left(self) -> int:
        """Rows whose value means leaving."""
        return sum(self.counts[value] for value in self.leaving)

    @property
    def known(self) -> int:
        """Rows with a value."""
        return sum(self.counts.values())

    @property
    def meaning(self) -> str:
        """The rule in words: ``churned = retained is 0``."""
        return f"churned = {self.raw_name} is {' or '.join(self.leaving)}"


def is_whole_number(column: ColumnProfile) -> bool:
    """Whether a target is stored as numbers with a point, all of them whole: ``1.0`` is then read as ``1``."""
    is_fractional = column.physical_type in ("DOUBLE", "FLOAT") or column.physical_type.startswith("DECIMAL")
    return is_fractional and column.number is not None and column.number.is_integer


def value_sql(column: ColumnProfile) -> str:
    """SQL of a target's value over the view, as :class:`TargetSpec` and bronze have it."""
    if is_whole_number(column):
        return f"cast(try_cast({quote(column.name)} as bigint) as varchar)"
    return f"regexp_replace(lower(trim(cast({quote(column.name)} as varchar))), '[.]0$', '')"


def examine_target(
    connection: duckdb.DuckDBPyConnection, profile: FileProfile, column: ColumnProfile, positive: str | None = None
) -> TargetSpec:
    """Read a target: whether it has two values, and which of them means leaving.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    profile : FileProfile
        The table that holds it.
    column : ColumnProfile
    positive : str, optional
        The value that means leaving, where the user says it; every other value then means staying.

    Raises
    ------
    UserError
        When the column has a single value, more than two without ``positive``, or two that nobody can tell apart.
    """
    counts, missing, many = _values(connection, profile, column)
    where = f"{profile.file.path}, column {column.raw_name}"
    shown = ", ".join(f"{value!r} ({count:,})" for value, count in list(counts.items())[:SHOWN_VALUES])
    if many or len(counts) > MOST_VALUES:
        raise UserError(
            f"The target `{column.raw_name}` has too many different values to be classes: {shown}, and more.",
            where=where,
            hint="name a column that says for each customer whether they left",
        )
    if len(counts) < 2:
        raise UserError(
            f"The target `{column.raw_name}` has {'no value' if not counts else f'a single value: {shown}'}.",
            where=where,
            hint="bring a file in which some customers left and some stayed, or name another column",
        )
    if positive is None and len(counts) > 2:
        raise UserError(
            f"The target `{column.raw_name}` is not binary; its values are {shown}.",
            where=where,
            hint="say which value means that a customer has left with --positive; all others then mean staying",
        )
    guess = _guess(column.raw_name, list(counts))
    flag = NOT_CHURN if guess is not None and guess.affirmative_stays else None
    if positive is not None:
        chosen = _match(positive, counts, where, shown)
        evidence, doubt = "named with --positive", None
        if guess is not None and guess.is_sure and guess.leaving != chosen and len(counts) == 2:
            doubt = f"--positive {positive} takes `{column.raw_name}` = {chosen} as leaving, although {guess.reason}"
        flag = NOT_CHURN if doubt else None
    elif guess is None:
        raise UserError(
            f"Nothing tells which value of `{column.raw_name}` means that a customer has left: {shown}.",
            where=where,
            hint=f"say it with --positive, such as --positive {next(iter(counts))}",
        )
    else:
        chosen, evidence, doubt = guess.leaving, guess.reason, None
        if flag:
            doubt = (
                f"{NOT_CHURN}: {guess.reason}, so `{column.raw_name}` = {chosen} was taken as leaving; "
                "--positive overrules"
            )
        elif not guess.is_sure:
            doubt = f"{guess.reason}; `{column.raw_name}` = {chosen} was taken as leaving; --positive overrules"
    staying = tuple(value for value in counts if value != chosen)
    return TargetSpec(
        column.raw_name, column.name, (chosen,), staying, counts, missing, evidence, flag, doubt, tuple(counts)
    )


@dataclass(frozen=True)
class _Guess:
    leaving: str
    reason: str
    is_sure: bool = True
    affirmative_stays: bool = False


def _values(
    connection: duckdb.DuckDBPyConnection, profile: FileProfile, column: ColumnProfile
) -> tuple[dict[str, int], int, bool]:
    """Rows per value, rows without one, and whether there are more values than were read."""
    found = connection.execute(f"""
        select {value_sql(column)} as value, sum(rows) as n
        from (select {quote(column.name)}, count(*) as rows from {quote(profile.view)} group by 1)
        group by 1 order by n desc, value limit {MOST_VALUES + 3}
    """).fetchall()
    counts = {value: int(n) for value, n in found if value not in (None, "")}
    missing = sum(int(n) for value, n in found if value in (None, ""))
    return counts, missing, len(found) > MOST_VALUES + 2


def _match(positive: str, counts: dict[str, int], where: str, shown: str) -> str:
    wanted = re.sub(r"[.]0$", "", positive.strip().lower())
    if wanted in counts:
        return wanted
    raise UserError(f"No row has the value {positive!r}.", where=f"{where}, --positive", hint=f"choose one of {shown}")


def _bare(value: str) -> str:
    return re.sub(r"[^a-z0-9]", "", value.lower())


def _leans(text: str) -> int:
    """1 when words say leaving, -1 when they say staying, 0 when they say neither or both."""
    parts = words(text)
    leaving = any(part in LEAVING for part in parts)
    staying = any(part in STAYING for part in parts)
    if leaving == staying:
        return 0
    negated = any(part in _NEGATIONS for part in parts)
    return (1 if leaving else -1) * (-1 if negated else 1)


def _guess(name: str, values: list[str]) -> _Guess | None:
    """Which of two values means leaving, by what they say themselves and by the name of the column."""
    if len(values) != 2:
        return None
    for value, other in (values, values[::-1]):
        if _leans(value) == 1 and _leans(other) != 1:
            return _Guess(value, f"the value {value!r} says leaving")
    for value, other in (values, values[::-1]):
        if _leans(value) == -1 and _leans(other) == 0:
            return _Guess(other, f"the value {value!r} says staying")
    yes = [v for v in values if _bare(v) in _YES]
    no = [v for v in values if _bare(v) in _NO]
    if len(yes) == 1 and not no:
        no = [v for v in values if v not in yes]
    if len(yes) != 1 or len(no) != 1:
        return None
    lean = _leans(name)
    if lean == 1:
        return _Guess(yes[0], f"the name `{name}` says leaving")
    if lean == -1:
        return _Guess(no[0], f"the name `{name}` says staying", affirmative_stays=True)
    return _Guess(yes[0], f"nothing in the name `{name}` says whether {yes[0]!r} means leaving", is_sure=False)
