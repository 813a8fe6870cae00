"""Keys between tables: which columns of one table point at which key of another, by names and by values.

A name alone is no evidence, and neither is inclusion alone: the numbers 1 to 5 exist in every running number. So a
relation needs a name that supports it and most values matched, or values that could not match by chance.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from python_ml.errors import UserError
from python_ml.ingest.schema import Column
from python_ml.ingest.vocabulary import name_score, subject
from python_ml.profile.keys import FEWEST_VALUES, identifying
from python_ml.profile.schema import Key, Relation
from python_ml.profile.tables import Table
from python_ml.profile.values import SPELLINGS, UNIQUE, KeyValues

LIKELY_CHANCE = 0.05  # share of values that would match by chance, above which inclusion alone is no evidence
INCLUDED = 0.98  # share of values that must match where the names say nothing
NAMED, ALIKE = 0.95, 0.8  # scores of names that say the same, and of names that are alike
_FLAG = "--relate"


@dataclass(frozen=True)
class Relations:
    """Relations between tables, and columns that are named alike and yet do not belong together."""

    relations: tuple[Relation, ...] = ()
    refused: tuple[str, ...] = ()


def find_relations(
    tables: Sequence[Table],
    keys: dict[str, tuple[Key, ...]],
    values: KeyValues,
    given: Iterable[str] = (),
    excluded: Iterable[str] = (),
) -> Relations:
    """Find the relations between tables.

    Parameters
    ----------
    tables : sequence of Table
    keys : dict of str to tuple of Key
        By source.
    values : KeyValues
    given : iterable of str
        Relations that the user named, as ``child.column=parent.column``; composite as ``child.a+b=parent.c+d``.
    excluded : iterable of str
        ``source`` or ``source.column`` by which nothing is to be related.

    Raises
    ------
    UserError
        When a named relation is not written so, names what does not exist, or points at columns that are no key.
    """
    relations = [_given(values, *_parse(text, tables)) for text in given]
    closed = set(excluded)
    settled = {(r.child, *r.child_columns) for r in relations}
    candidates = {t.name: [c for c in identifying(t) if not {t.name, f"{t.name}.{c.name}"} & closed] for t in tables}
    refused: dict[tuple[str, str], str] = {}
    possible: dict[tuple[str, str], list[Relation]] = {}
    own = {(t.name, k.columns[0]) for t in tables for k in keys[t.name] if len(k.columns) == 1}
    for parent in tables:
        for key in keys[parent.name]:
            if {parent.name, *(f"{parent.name}.{c}" for c in key.columns)} & closed:
                continue
            for child in (t for t in tables if t is not parent):
                if len(key.columns) > 1:
                    relations += _composite(values, child, candidates[child.name], parent, key)
                    continue
                for column in candidates[child.name]:
                    if (child.name, column.name) not in settled:
                        measured, reason = _examine(values, child, column, parent, key)
                        if reason:
                            refused.setdefault((child.name, column.name), reason)
                        if measured is not None:
                            possible.setdefault((child.name, column.name), []).append(measured)
    place = {table.name: number for number, table in enumerate(tables)}
    for pair, options in possible.items():
        # A column points at one table, and two keys that are the same (1:1) point one way only.
        best = max(options, key=_strength)
        back = [r for r in possible.get((best.parent, *best.parent_columns), []) if _is_reverse(r, best)]
        if pair in own and any((_strength(r), place[r.child]) >= (_strength(best), place[best.child]) for r in back):
            continue
        relations.append(best)
    relations += _many_to_many(values, tables, candidates, relations, own)
    return Relations(tuple(relations), tuple(reason for pair, reason in refused.items() if pair not in possible))


def _is_reverse(one: Relation, other: Relation) -> bool:
    return (one.parent, one.parent_columns) == (other.child, other.child_columns)


def _strength(relation: Relation) -> tuple[float, float, bool, float]:
    """What makes one relation likelier than another of the same column."""
    about_parent = subject(relation.parent)[-1:] == subject(relation.child_columns[0])[-1:]
    used = relation.keys_used / max(relation.keys, 1)
    return (round(relation.inclusion, 2), relation.name_score, about_parent, used)


def _examine(values: KeyValues, child: Table, column: Column, parent: Table, key: Key) -> tuple[Relation | None, str]:
    """The relation of a column to a key, or why there is none where the names suggest one."""
    target = parent.column(key.columns[0])
    score = name_score(column.raw_name, target.raw_name, parent.name)
    if score < ALIKE:
        is_thin = column.distinct < FEWEST_VALUES or column.distinct > 1.2 * key.distinct
        if is_thin or column.kind != target.kind or values.chance((parent.name, target.name)) > LIKELY_CHANCE:
            return None, ""
    relation = _measure(values, child.name, column.name, parent.name, target.name, score)
    if relation.inclusion >= (0.5 if score >= NAMED else ALIKE if score >= ALIKE else INCLUDED):
        return relation, ""
    if score < NAMED:
        return None, ""
    return None, (
        f"`{column.raw_name}` of {child.name} is named like `{target.raw_name}` of {parent.name}, but only "
        f"{relation.values_matched:,} of its {relation.values:,} values exist there: they are not related"
    )


def _measure(
    values: KeyValues, child: str, child_columns: str, parent: str, parent_columns: str, score: float, n: str = ""
) -> Relation:
    """Measure an inclusion, in the strictest spelling that matches (nearly) as much as any; columns joined by ``+``."""
    best, best_spelling = None, "exact"
    for spelling in SPELLINGS:
        counts = values.overlap((child, child_columns), (parent, parent_columns), spelling)
        if counts is not None and counts[0] and (best is None or counts[1] / counts[0] > best[1] / best[0] + 0.02):
            best, best_spelling = counts, spelling
        if best is not None and best[1] >= INCLUDED * best[0]:
            break
    counts = best or (0, 0, 0, 0, values.counts(parent, parent_columns)[1], 0)
    cardinality = n or ("1:1" if counts[0] >= UNIQUE * counts[2] else "n:1")
    return Relation(
        child,
        tuple(child_columns.split("+")),
        parent,
        tuple(parent_columns.split("+")),
        cardinality,
        best_spelling,
        *counts,
        score,
        round(values.chance((parent, parent_columns)), 4),
    )


def _composite(values: KeyValues, child: Table, candidates: list[Column], parent: Table, key: Key) -> list[Relation]:
    """The relation of columns that are named like the parts of a composite key, or nothing."""
    chosen: list[Column] = []
    lowest = 1.0
    for part in key.columns:
        target = parent.column(part)
        if target.kind == "time":
            return []
        options = [(name_score(c.raw_name, target.raw_name, ""), c) for c in candidates if c not in chosen]
        same = [(1.0, c) for c in child.columns if c.name == part and c not in chosen and c.kind == target.kind]
        score, column = max([*options, *same], key=lambda option: option[0], default=(0.0, None))
        if column is None or score < ALIKE:
            return []
        chosen.append(column)
        lowest = min(lowest, score)
    names = "+".join(c.name for c in chosen)
    relation = _measure(values, child.name, names, parent.name, "+".join(key.columns), lowest)
    is_own = values.counts(child.name, names)[1] >= UNIQUE * child.rows
    # Of two tables with the same composite key, the one with more values is the parent.
    if is_own and (relation.values > relation.keys or (relation.values == relation.keys and child.name < parent.name)):
        return []
    return [relation] if relation.inclusion >= ALIKE else []


def _parse(text: str, tables: Sequence[Table]) -> tuple[Table, str, Table, str]:
    """Read ``child.column=parent.column``; several columns of a side are joined by ``+``."""
    left, mark, right = text.partition("=")
    if not mark:
        hint = "write child.column=parent.column, with source names"
        raise UserError(f"`{text}` is not a relation.", where=_FLAG, hint=hint)
    (child, child_columns), (parent, parent_columns) = _parse_side(left, tables), _parse_side(right, tables)
    if child_columns.count("+") != parent_columns.count("+"):
        hint = "name as many columns on the left as on the right, such as orders.shop+number=invoices.shop+number"
        raise UserError(f"`{text}` relates different numbers of columns.", where=_FLAG, hint=hint)
    if child is parent:
        raise UserError("A table cannot be related to itself.", where=f"{_FLAG} {text}", hint="name two tables")
    return child, child_columns, parent, parent_columns


def _parse_side(text: str, tables: Sequence[Table]) -> tuple[Table, str]:
    source, _, columns = text.strip().partition(".")
    table = next((t for t in tables if source in (t.name, t.raw.path.name.split(".")[0])), None)
    if table is None:
        known = ", ".join(t.name for t in tables)
        raise UserError(f"There is no source `{source}`.", where=_FLAG, hint=f"choose one of: {known}")
    # A column's own name may hold a plus sign.
    parts = [columns] if table.raw.column(columns) is not None else columns.split("+")
    names = []
    for part in parts:
        column = table.raw.column(part.strip())
        if column is None:
            hint = f"choose one of: {table.raw.column_names}"
            raise UserError(f"{table.name} has no column `{part.strip()}`.", where=_FLAG, hint=hint)
        names.append(column.name)
    return table, "+".join(names)


def _given(values: KeyValues, child: Table, child_columns: str, parent: Table, parent_columns: str) -> Relation:
    """Measure a relation that the user named."""
    rows, distinct = values.counts(parent.name, parent_columns)
    what = f"{child.name}.{child_columns}={parent.name}.{parent_columns}"
    if not distinct or distinct < UNIQUE * rows:
        raise UserError(
            f"`{parent_columns}` is no key of {parent.name}: {rows:,} rows have {distinct:,} different values.",
            where=f"{_FLAG} {what}",
            hint="name columns on the right that are different in every row",
        )
    relation = replace(_measure(values, child.name, child_columns, parent.name, parent_columns, 1.0), is_given=True)
    if not relation.values_matched:
        raise UserError(
            f"None of the {values.counts(child.name, child_columns)[1]:,} values of {child.name}.{child_columns} "
            f"exists in {parent.name}.{parent_columns}.",
            where=f"{_FLAG} {what}",
            hint="name columns that hold the same identifiers",
        )
    return relation


def _many_to_many(
    values: KeyValues,
    tables: Sequence[Table],
    candidates: dict[str, list[Column]],
    relations: list[Relation],
    own: set[tuple[str, str]],
) -> list[Relation]:
    """Tables that share identifiers of something that has no table of its own."""
    taken = {(r.child, r.child_columns[0]) for r in relations if len(r.child_columns) == 1} | own
    shared: dict[tuple[str, ...], list[tuple[str, Column]]] = {}
    for table in tables:
        for column in candidates[table.name]:
            about = subject(column.raw_name)
            if about and (table.name, column.name) not in taken and column.distinct > 1:
                shared.setdefault(about, []).append((table.name, column))
    pairs = []
    for columns in shared.values():
        # The widest one stands for all, as the table that is missing would.
        hub, key = max(columns, key=lambda entry: entry[1].distinct)
        for table, column in columns:
            if table != hub:
                relation = _measure(values, table, column.name, hub, key.name, 1.0, "n:m")
                pairs += [relation] if relation.inclusion >= 0.5 else []
    return pairs
