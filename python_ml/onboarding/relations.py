"""Keys between tables: which column of one table points at which key of another, by names and by values.

A name alone is no evidence, and neither is inclusion alone: the numbers 1 to 5 lie in every running number. So a
relation needs a name that speaks for it and most values found, or values that could not be found there by chance.
Every column that takes part is read once, into a table of its different values; all else is measured on those.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

from python_ml import vocabulary
from python_ml.errors import UserError
from python_ml.onboarding.key_names import name_score, subject
from python_ml.onboarding.key_values import SPELLING_WORDS, SPELLINGS, UNIQUE, KeyValues
from python_ml.warehouse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

    import duckdb

    from python_ml.onboarding.detection import FileProfile
    from python_ml.onboarding.profiling import ColumnProfile

ROUGHLY_UNIQUE = (
    0.7  # the same share as profiles count it: approximately, and by up to a quarter wrong where there are few
)
FEWEST_VALUES = 20  # different values without which inclusion alone says nothing
LIKELY_CHANCE = 0.05  # share of values that would be found by chance, above which inclusion alone says nothing
MOST_COLUMNS = 40  # per table that are looked at: a table of thousands of codes has no more keys than that
LONGEST = 64  # characters of an identifier


@dataclass(frozen=True)
class Key:
    """A column, or a pair of columns, that tells the rows of a table apart.

    Attributes
    ----------
    table : str
        Source name.
    columns : tuple of str
        Safe names.
    rows, distinct : int
        Rows with a value, and different values; exact.
    """

    table: str
    columns: tuple[str, ...]
    rows: int
    distinct: int

    @property
    def copies(self) -> int:
        """Rows that repeat the key of another."""
        return self.rows - self.distinct


@dataclass(frozen=True)
class Relation:
    """A column of one table whose values are those of a column of another.

    Attributes
    ----------
    child, child_column, parent, parent_column : str
        Source names and safe column names; in an n:m relation neither side is a key.
    cardinality : str
        ``n:1``, ``1:1`` or ``n:m``, from child to parent.
    spelling : str
        A key of :data:`SPELLINGS`: how values must be read to be equal.
    values, values_found : int
        Different values of the child, and those found in the parent.
    rows, rows_found : int
        Rows of the child with a value, and those whose value is found.
    keys, keys_used : int
        Different values of the parent, and those that the child has.
    name_score : float
        0 (the names have nothing in common) to 1 (they say the same).
    given : bool
        Whether the user named it.
    """

    child: str
    child_column: str
    parent: str
    parent_column: str
    cardinality: str
    spelling: str
    values: int
    values_found: int
    rows: int
    rows_found: int
    keys: int
    keys_used: int
    name_score: float
    given: bool = False

    @property
    def inclusion(self) -> float:
        """Share of the child's different values that are found in the parent."""
        return self.values_found / self.values if self.values else 0.0

    @property
    def evidence(self) -> tuple[str, ...]:
        """Why it is one, in words and figures."""
        said = ["named with --relate"] if self.given else []
        if self.name_score >= 1:
            said.append("the names say the same")
        elif self.name_score > 0:
            said.append("the names are alike")
        elif not self.given:
            said.append("the names differ, but the values could not agree by chance")
        said.append(f"{self.values_found:,} of {self.values:,} values found ({self.inclusion:.1%})")
        if self.rows_found < self.rows:
            said.append(f"{self.rows - self.rows_found:,} of {self.rows:,} rows have none")
        said.append(f"{self.keys_used:,} of {self.keys:,} values of `{self.parent_column}` used")
        if self.spelling != "exact":
            said.append(SPELLING_WORDS[self.spelling])
        return tuple(said)

    @property
    def doubt(self) -> str | None:
        """What a person should look at; None when nothing."""
        what = f"{self.child}.{self.child_column} to {self.parent}.{self.parent_column}"
        if not self.given and self.name_score == 0:
            return f"the relation of {what} rests on values alone: say --relate or --exclude"
        if self.inclusion < 0.9 and self.cardinality != "n:m":
            return f"only {self.inclusion:.0%} of the values of {what} are found there"
        return None


@dataclass(frozen=True)
class Relations:
    """All that was found between tables.

    Attributes
    ----------
    keys : tuple of Key
        Candidate keys, the likeliest of a table first.
    found : tuple of Relation
    refused : tuple of str
        Columns that are named alike and yet are no relation, with the reason.
    """

    keys: tuple[Key, ...] = ()
    found: tuple[Relation, ...] = ()
    refused: tuple[str, ...] = ()

    def parents(self, table: str) -> list[Relation]:
        """Relations by which a table points at a key of another."""
        return [r for r in self.found if r.child == table and r.cardinality != "n:m"]


def discover(
    connection: duckdb.DuckDBPyConnection,
    profiles: list[FileProfile],
    given: Iterable[str] = (),
    excluded: Iterable[str] = (),
) -> Relations:
    """Find the keys of all tables and the relations between them.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Holds the views of the profiles.
    profiles : list of FileProfile
        With their source names.
    given : iterable of str
        Relations that the user named, as ``child.column=parent.column``.
    excluded : iterable of str
        Columns by which nothing is to be related, as ``source.column`` with the safe name.

    Raises
    ------
    UserError
        When a named relation is not written so, names what is not there, or points at a column that is no key.
    """
    wanted = [_parse(text, profiles) for text in given]
    values = KeyValues(connection, {p.name: p for p in profiles})
    keys = {p.name: _keys(connection, p, values) for p in profiles}
    if len(profiles) < 2:
        return Relations(tuple(k for ks in keys.values() for k in ks))
    found = [_given(values, *pair) for pair in wanted]
    settled = {(r.child, r.child_column) for r in found} | {tuple(name.split(".", 1)) for name in excluded}
    refused = []
    possible: dict[tuple[str, str], list[Relation]] = {}
    for parent in profiles:
        for key in (k for k in keys[parent.name] if len(k.columns) == 1):
            for child in profiles:
                if child is parent:
                    continue
                for column in _candidates(child):
                    if (child.name, column.name) in settled:
                        continue
                    measured, reason = _examine_pair(values, child, column, parent, key)
                    if measured is not None:
                        possible.setdefault((child.name, column.name), []).append(measured)
                    elif reason:
                        refused.append(reason)
    own = {(k.table, k.columns[0]) for ks in keys.values() for k in ks if len(k.columns) == 1}
    for pair, options in possible.items():
        # Two keys that are the same (1:1) point one way only, and a column points at one table.
        best = max(options, key=_strength)
        if pair in own and any(
            _strength(back) >= _strength(best)
            and (_strength(back) > _strength(best) or _place(profiles, best) > _place(profiles, back))
            for back in possible.get((best.parent, best.parent_column), [])
            if back.parent == best.child and back.parent_column == best.child_column
        ):
            continue
        found.append(best)
    return Relations(
        tuple(k for ks in keys.values() for k in ks),
        tuple(found) + tuple(_many_to_many(values, profiles, found, own)),
        tuple(dict.fromkeys(refused)),
    )


def _place(profiles: list[FileProfile], relation: Relation) -> int:
    """Place of a relation's parent among the files: of two tables that are alike, the first is the parent."""
    return [p.name for p in profiles].index(relation.parent)


def _strength(relation: Relation) -> tuple[float, float, bool, float]:
    """What makes one relation likelier than another of the same column."""
    about_table = subject(relation.parent)[-1:] == subject(relation.child_column)[-1:]
    used = relation.keys_used / max(relation.keys, 1)
    return (round(relation.inclusion, 2), relation.name_score, about_table, used)


def _candidates(profile: FileProfile) -> list[ColumnProfile]:
    """Columns that may hold keys: those named so first."""
    table = subject(profile.name)[-1:]

    def likely(column: ColumnProfile) -> int:
        named = vocabulary.has_word(column.raw_name, vocabulary.IDENTIFIERS) or column.padded
        person = vocabulary.person_score(column.raw_name) >= 2
        about_itself = bool(table) and subject(column.raw_name) == table
        coded = column.kind == "text" and column.spaced < 0.05 and column.distinct >= FEWEST_VALUES
        return 3 * (named or person) + 2 * about_itself + coded

    possible = []
    for column in profile.columns:
        is_whole = column.kind == "number" and column.number is not None and column.number.is_integer
        is_text = column.kind == "text" and column.mean_length <= LONGEST and column.spaced < 0.5
        is_money = vocabulary.has_word(column.raw_name, vocabulary.MONEY)
        is_named = vocabulary.has_word(column.raw_name, vocabulary.IDENTIFIERS)
        not_key = vocabulary.is_quantity(column.raw_name) or (is_money and not is_named)
        if (is_whole or is_text) and not not_key and likely(column):
            possible.append(column)
    return sorted(possible, key=lambda c: -likely(c))[:MOST_COLUMNS]


def _keys(connection: duckdb.DuckDBPyConnection, profile: FileProfile, values: KeyValues) -> list[Key]:
    """Candidate keys: single columns, or else pairs of columns."""
    found, candidates = [], _candidates(profile)
    for column in candidates:
        if column.fill_share >= UNIQUE and column.distinct >= ROUGHLY_UNIQUE * column.filled > 1:
            rows, distinct = values.counts(profile.name, column.name)
            if distinct >= UNIQUE * rows:
                found.append(Key(profile.name, (column.name,), rows, distinct))
    if found:
        return found
    full = [c for c in (*candidates, *((profile.time.column,) if profile.time else ())) if c.filled == c.rows][:4]
    for first, second in combinations([c for c in profile.columns if c in full], 2):
        if 1.2 * first.distinct * second.distinct < profile.file.rows:  # counts are approximate
            continue
        pair = f"{quote(first.name)}, {quote(second.name)}"
        distinct = connection.execute(
            f"select count(*) from (select distinct {pair} from {quote(profile.view)})"
        ).fetchall()[0][0]
        if distinct == profile.file.rows:
            found.append(Key(profile.name, (first.name, second.name), distinct, distinct))
    return found


def _examine_pair(
    values: KeyValues, child: FileProfile, column: ColumnProfile, parent: FileProfile, key: Key
) -> tuple[Relation | None, str]:
    """The relation of a column to a key, or why there is none where the names suggest one."""
    target = next(c for c in parent.columns if c.name == key.columns[0])
    score = name_score(column.raw_name, target.raw_name, parent.name)
    if score < 0.8:
        is_thin = column.distinct < FEWEST_VALUES or column.distinct > 1.2 * key.distinct
        if is_thin or column.kind != target.kind or values.chance((parent.name, target.name)) > LIKELY_CHANCE:
            return None, ""
    relation = _measure(values, (child.name, column.name), (parent.name, target.name), score)
    enough = 0.5 if score >= 0.95 else 0.8 if score >= 0.8 else 0.98
    if relation.inclusion >= enough:
        return relation, ""
    if score < 0.95:
        return None, ""
    return None, (
        f"`{column.raw_name}` of {child.name} is named like `{target.raw_name}` of {parent.name}, but only "
        f"{relation.values_found:,} of its {relation.values:,} values are found there: no relation is made of it"
    )


def _measure(
    values: KeyValues, child: tuple[str, str], parent: tuple[str, str], score: float, cardinality: str = ""
) -> Relation:
    """Measure an inclusion, in the strictest spelling that finds (nearly) as much as any."""
    best, best_spelling = None, "exact"
    for spelling in SPELLINGS:
        counts = values.overlap(child, parent, spelling)
        if counts is not None and (best is None or counts[1] / counts[0] > best[1] / best[0] + 0.02):
            best, best_spelling = counts, spelling
        if best is not None and best[1] >= 0.98 * best[0]:
            break
    # Spelt exactly, a key's values are all different.
    counts = best or (1, 0, 1, 0, 1, 0)
    cardinality = cardinality or ("1:1" if counts[0] >= UNIQUE * counts[2] else "n:1")
    return Relation(*child, *parent, cardinality, best_spelling, *counts, score)


def _parse(text: str, profiles: list[FileProfile]) -> tuple[tuple[str, str], tuple[str, str]]:
    """Read ``child.column=parent.column``."""
    left, mark, right = text.partition("=")
    if not mark:
        raise UserError(
            f"`{text}` is not a relation.", where="--relate", hint="write child.column=parent.column, with source names"
        )
    return _parse_side(left, profiles), _parse_side(right, profiles)


def _parse_side(text: str, profiles: list[FileProfile]) -> tuple[str, str]:
    source, _, column = text.strip().partition(".")
    profile = next((p for p in profiles if source in (p.name, p.file.path.name.split(".")[0])), None)
    if profile is None:
        known = ", ".join(p.name for p in profiles)
        raise UserError(f"There is no source `{source}`.", where="--relate", hint=f"choose one of: {known}")
    found = profile.column(column)
    if found is None:
        known = ", ".join(c.raw_name for c in profile.columns[:30])
        raise UserError(f"{profile.name} has no column `{column}`.", where="--relate", hint=f"choose one of: {known}")
    return profile.name, found.name


def _given(values: KeyValues, child: tuple[str, str], parent: tuple[str, str]) -> Relation:
    """Measure a relation that the user named."""
    rows, distinct = values.counts(*parent)
    what = f"{'.'.join(child)}={'.'.join(parent)}"
    if child[0] == parent[0]:
        raise UserError("A table cannot inherit from itself.", where=f"--relate {what}", hint="name two tables")
    if not distinct or distinct < UNIQUE * rows:
        raise UserError(
            f"`{parent[1]}` is no key of {parent[0]}: {rows:,} rows have {distinct:,} different values.",
            where=f"--relate {what}",
            hint="name a column on the right that is different in every row",
        )
    found = replace(_measure(values, child, parent, 1.0), given=True)
    if not found.values_found:
        raise UserError(
            f"None of the {found.values:,} values of {'.'.join(child)} is found in {'.'.join(parent)}.",
            where=f"--relate {what}",
            hint="name columns that hold the same identifiers",
        )
    return found


def _many_to_many(
    values: KeyValues, profiles: list[FileProfile], found: list[Relation], own: set[tuple[str, str]]
) -> list[Relation]:
    """Tables that share identifiers of something that has no table of its own."""
    taken = {(r.child, r.child_column) for r in found} | own
    shared: dict[tuple[str, ...], list[tuple[str, ColumnProfile]]] = {}
    for profile in profiles:
        for column in _candidates(profile):
            about = subject(column.raw_name)
            if about and (profile.name, column.name) not in taken and column.distinct > 1:
                shared.setdefault(about, []).append((profile.name, column))
    relations = []
    for columns in shared.values():
        if len({table for table, _ in columns}) < 2:
            continue
        # The widest one stands for all, as the table that is missing would.
        hub, key = max(columns, key=lambda entry: entry[1].distinct)
        for table, column in columns:
            if table != hub:
                relation = _measure(values, (table, column.name), (hub, key.name), 1.0, "n:m")
                if relation.inclusion >= 0.5:
                    relations.append(relation)
    return relations
