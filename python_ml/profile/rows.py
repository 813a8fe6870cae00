"""What the rows of a table are: totals, reversals, shifted copies, odd codes, attributes that never change."""

from __future__ import annotations

import math
from collections.abc import Sequence

from python_ml.ingest import vocabulary
from python_ml.masking import masked
from python_ml.names import name_parts
from python_ml.profile.keys import MANY_ROWS, identifying
from python_ml.profile.schema import IdentifierFacts, Reversal, ShiftedCopies, TimeRole, Totals
from python_ml.profile.tables import Table, batches, kind_of, number, scale_of
from python_ml.profile.values import KeyValues
from python_ml.warehouse import literal, quote

MAX_REVERSED = 0.3  # share of negative values up to which they are reversals
ALIKE, COMPARED = 0.98, 60  # correlation; most columns of numbers that are compared
ODD = 0.05  # share of codes up to which one without a digit is odd
MOST_FOLLOWED = 3  # identifiers of a table
SHIFTED, SHIFTED_DAYS = 0.01, 28  # share of rows; days: rows that are merely alike lie closer together
_KINDS = ("nominal", "ordinal", "binary", "target_candidate", "cyclic", "discrete", "money", "continuous", "datetime")
_COUNTS = vocabulary.terms("counts")
_NOBODY = vocabulary.terms("dimensions")


def find_totals(table: Table, facts: Sequence[IdentifierFacts], time: TimeRole | None) -> Totals | None:
    """Tell tables of totals by day and dimension from tables of events: they count, and name nobody."""
    if time is None or any(f.person >= 2 for f in facts):
        return None
    counts = [
        c.raw_name
        for c in table.of_kind("number")
        if c.numbers.is_integer and name_parts(c.raw_name)[-1:] and name_parts(c.raw_name)[-1] in _COUNTS
        and not vocabulary.has_word(c.raw_name, vocabulary.IDENTIFIERS - _COUNTS)
    ]  # fmt: skip
    dimensions = [
        c.raw_name
        for c in table.columns
        if vocabulary.has_word(c.raw_name, _NOBODY) or (c.kind in ("text", "boolean") and 1 < c.distinct <= 50)
    ]
    codes = [f for f in facts if f.distinct > 0.5 * table.rows]
    if not counts or len(dimensions) < 2 or codes:
        return None
    shown = ", ".join(f"`{name}`" for name in dimensions[:4])
    return Totals(
        f"its rows are totals of many customers: `{counts[0]}` counts them by {shown} and `{time.column}`, "
        "and no column identifies a customer"
    )


def find_reversal(table: Table) -> Reversal | None:
    """Find reversals, by negative quantities or amounts and by the letter that identifiers get."""
    negative = [
        c.name
        for c in table.of_kind("number")
        if (vocabulary.is_quantity(c.raw_name) or vocabulary.has_word(c.raw_name, vocabulary.MONEY))
        and 0 < c.numbers.negatives < MAX_REVERSED * c.numbers.readable
    ]
    if not negative:
        return None
    condition = " or ".join(f"{quote(name)} < 0" for name in negative)
    prefixes: list[tuple[str, str]] = []
    for column in (c for c in identifying(table) if kind_of(c) == "text"):
        letters = table.rows_of(f"""
            select prefix from (
                select left({quote(column.name)}, 1) as prefix, count(*) as n,
                    count(*) filter (where {condition}) as reversed, sum(reversed) over () as all_reversed
                from {table.typed} group by 1
            )
            where regexp_full_match(prefix, '[A-Za-z]')
                and n >= 20 and reversed >= 0.95 * n and reversed >= 0.2 * all_reversed
            order by n desc, prefix
        """)
        prefixes += [(column.name, letter) for (letter,) in letters]
    condition += "".join(f" or starts_with({quote(name)}, {literal(letter)})" for name, letter in prefixes)
    rows = table.row([f"count(*) filter (where {condition})"])[0]
    return Reversal(tuple(negative), tuple(prefixes), rows)


def measure_fixed(table: Table, facts: Sequence[IdentifierFacts]) -> dict[str, dict[str, float]]:
    """Share of an identifier's values with several rows that have one value of a column throughout."""
    recurring = [f for f in facts if f.distinct > 1 and f.rows_per_value > 1.05]
    recurring = recurring[: 1 if table.rows > MANY_ROWS else MOST_FOLLOWED]
    columns = [c for c in table.columns if c.semantic in _KINDS or kind_of(c) == "text"]
    shares: dict[str, dict[str, float]] = {}
    for fact in recurring:
        name, followed = quote(fact.column), table.followed(fact.column, fact.distinct)
        for batch in batches(c for c in columns if c.name != fact.column):
            same = ", ".join(f"min({quote(c.name)}) = max({quote(c.name)}) as {quote(c.name)}" for c in batch)
            means = [f"avg(cast({quote(c.name)} as integer))" for c in batch]
            row = table.row(
                means,
                f"(select {same} from {followed} group by {name} having count(*) > 1 and {name} is not null)",
            )
            of = shares.setdefault(fact.column, {})
            of |= {c.name: round(v, 4) for c, v in zip(batch, row, strict=True) if v is not None}
    return shares


def find_correlated(table: Table) -> tuple[tuple[str, str, float], ...]:
    """Columns of numbers that contain the same information."""
    columns = [c for c in table.of_kind("number", "duration") if c.semantic != "identifier" and c.distinct > 2][
        :COMPARED
    ]
    pairs = [(a, b) for place, a in enumerate(columns) for b in columns[place + 1 :]]
    alike = []
    for start in range(0, len(pairs), 200):
        some = pairs[start : start + 200]
        # Differences of great numbers overflow; what cannot be measured is not alike.
        scaled = [[f"{number(c)} / {scale_of(c)!r}" for c in pair] for pair in some]
        row = table.row([f"corr({a}, {b})" for a, b in scaled], table.sample)
        alike += [
            (a.name, b.name, round(r, 4))
            for (a, b), r in zip(some, row, strict=True)
            if r is not None and math.isfinite(r) and abs(r) >= ALIKE
        ]
    return tuple(alike)


def find_odd_codes(table: Table, values: KeyValues) -> dict[str, tuple[int, tuple[str, ...]]]:
    """Codes without a digit where (nearly) all others have one: postage, fees, manual corrections."""
    odd = {}
    for column in (c for c in identifying(table) if c.kind == "text" and not c.personal):
        if values.is_long(table.name, column.name):
            continue  # values that hardly repeat are no products
        ((count, examples),) = table.rows_of(f"""
            select coalesce(sum(n), 0), list(left(v, 40) order by n desc, v)[:3]
            from {values.table(table.name, column.name)} where not regexp_matches(v, '[0-9]')
        """)
        if 0 < count <= ODD * column.filled:
            odd[column.name] = int(count), tuple(map(masked, examples))
    return odd


def find_shifted(table: Table) -> ShiftedCopies | None:
    """Find copies under a new identifier whose times all lie the same number of days away.

    Compared are columns that tell rows apart well; a shift counts when the times of a pair, all of them, lie equally
    far apart.
    """
    times = table.of_kind("time")
    compared = [c for c in table.of_kind("number", "boolean", "text") if c.semantic not in ("identifier", "text")]
    selective = [c for c in compared if kind_of(c) == "number" and c.distinct > 200]
    if not times or len(selective) < 2 or len(compared) < 4 or table.rows > MANY_ROWS:
        return None
    rare = " and ".join(f"{quote(c.name)} is not null and {quote(c.name)} <> 0" for c in selective[:2])
    places = range(len(times))
    when = ", ".join(f"cast({quote(c.name)} as date) as t{place}" for place, c in enumerate(times))
    lags = ", ".join(f"date_diff('day', lag(t{place}) over w, t{place}) as d{place}" for place in places)
    shifts = ", ".join(f"d{place}" for place in places)
    agree = "true" if len(times) == 1 else f"greatest({shifts}) - least({shifts}) <= 1"
    rows = table.rows_of(f"""
        with
        content as (
            select hash({", ".join(quote(c.name) for c in compared)}) as content, {when} from {table.typed} where {rare}
        ),
        lagged as (
            select {lags} from content
            window w as (partition by content order by {", ".join(f"t{place}" for place in places)})
        )
        select coalesce({shifts}) as days, count(*) as n, count(*) filter (where {agree}) as agreeing
        from lagged group by 1 having days is not null order by n desc, days limit 50
    """)
    shifted = [row for row in rows if row[0] >= SHIFTED_DAYS]
    pairs = sum(count for days, count, _ in rows if days > 0)
    if not shifted:
        return None
    # A shift in years takes one day more or less, by leap years.
    near = [row for row in shifted if abs(row[0] - shifted[0][0]) <= 1]
    count, agreeing = sum(row[1] for row in near), sum(row[2] for row in near)
    if count < max(SHIFTED * table.rows, 20) or agreeing < 0.8 * count or count < 0.5 * pairs:
        return None
    return ShiftedCopies(count, shifted[0][0], round(count / pairs, 4), tuple(c.name for c in compared))
