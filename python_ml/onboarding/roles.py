"""What each column of a dated file is good for, and which measures its events have."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from python_ml import vocabulary
from python_ml.feature_columns import Measure
from python_ml.names import RESERVED, words
from python_ml.onboarding.key_names import is_named_after
from python_ml.onboarding.personal import PERSONAL
from python_ml.onboarding.semantics import named_key
from python_ml.onboarding.specification import ColumnSpec, DerivedColumn, Reversal
from python_ml.warehouse import literal, quote

if TYPE_CHECKING:
    import duckdb

    from python_ml.onboarding.detection import FileProfile
    from python_ml.onboarding.profiling import ColumnProfile

MAX_REVERSED = 0.5  # share of negative rows above which a negative number is not an exception
DIGITS = 18  # of a decimal that every engine computes exactly


def column_specs(connection: duckdb.DuckDBPyConnection, profile: FileProfile) -> list[ColumnSpec]:
    """Decide the role and the type of every column of a file.

    Returns
    -------
    list of ColumnSpec
        In the file's order.
    """
    specs = []
    for column in profile.columns:
        if profile.entity and column is profile.entity.column:
            specs.append(_entity_spec(connection, profile, column))
        elif profile.time and column is profile.time.column:
            specs.append(replace(_time_spec(column, "time"), name=_time_name(column)))
        elif profile.available and column is profile.available.column:
            specs.append(_time_spec(column, "available"))
        else:
            specs.append(_other_spec(connection, profile, column))
    return specs


def _base(column: ColumnProfile, role: str, kind: str, description: str, unused: str = "") -> ColumnSpec:
    return ColumnSpec(
        column.raw_name,
        column.name,
        role,
        kind,
        column.physical_type,
        description=description,
        unused=unused,
        missing=column.rows - column.filled,
        distinct=column.distinct,
    )


def _words(column: ColumnProfile) -> str:
    return " ".join(words(column.raw_name)) or column.name


def _entity_spec(connection: duckdb.DuckDBPyConnection, profile: FileProfile, column: ColumnProfile) -> ColumnSpec:
    strip = False
    if column.physical_type in ("DOUBLE", "FLOAT"):
        strip = True
    elif column.physical_type == "VARCHAR":
        name = quote(column.name)
        strip = connection.execute(
            f"select count(*) = count({name}) filter (where regexp_full_match({name}, '[0-9]+\\.0')) "
            f"from {quote(profile.view)} where {name} is not null"
        ).fetchall()[0][0]
    return replace(
        _base(column, "entity", "text", "Key of the customer."),
        name=entity_name(column),
        strip_point_zero=bool(strip),
        distinct=profile.facts.distinct if profile.facts else column.distinct,
    )


def entity_name(column: ColumnProfile) -> str:
    """Name of the customer's key in every model: that of the column, but ``user_id`` for a bare ``user``."""
    plain = "_".join(words(column.raw_name))
    return f"{plain}_id" if plain in RESERVED else column.name


def _time_spec(column: ColumnProfile, role: str, unused: str = "") -> ColumnSpec:
    meaning = {
        "time": "When it happened (UTC).",
        "available": "When the warehouse could know the row (UTC); null means at once.",
    }.get(role, f"{_words(column).capitalize()} (UTC).")
    time = column.time
    return replace(
        _base(column, role, "timestamp", meaning, unused),
        formats=time.formats if time else (),
        has_offset=bool(time and time.has_offset),
    )


def _time_name(column: ColumnProfile) -> str:
    """A bare ``date`` is no good column name in SQL, and says nothing either."""
    bare = {"date", "time", "timestamp", "datetime", "day", "month", "year", "at", "ts", "dt", "when", "moment"}
    if "_".join(words(column.raw_name)) in bare:
        return "event_at" if column.time and column.time.has_clock else "event_date"
    return column.name


def _other_spec(connection: duckdb.DuckDBPyConnection, profile: FileProfile, column: ColumnProfile) -> ColumnSpec:
    text = _words(column).capitalize()
    if column.kind in ("empty", "constant"):
        return _base(column, column.kind, "text", f"{text}.", f"it is {column.kind}")
    if column.kind == "time":
        return _time_spec(column, "time_other", "a second time: it may lie after the event")
    if column.meaning in PERSONAL:
        return _base(column, "text", "text", f"{text}.", f"personal data: {column.because}")
    is_id = column.meaning == "identifier" or named_key(column.raw_name)
    outcome = vocabulary.has_word(column.raw_name, vocabulary.OUTCOMES)
    if column.kind == "boolean":
        unused = "its name says the outcome" if outcome else ""
        return _base(column, "boolean", "boolean", f"{text}: yes or no.", unused)
    if column.kind == "number" and not is_id and column.number is not None:
        number = column.number
        digits = len(str(int(max(abs(number.minimum or 0), abs(number.maximum or 0)))))
        unused = ""
        if vocabulary.has_word(column.raw_name, vocabulary.NOT_MEASURES):
            unused = "a number of a calendar, a place or a telephone: no sum or mean of it says anything"
        elif outcome:
            unused = "its name says the outcome"
        elif digits + 2 > DIGITS:
            unused = "too large to be added up exactly"
        return replace(
            _base(
                column, "number", "integer" if number.is_integer and digits < DIGITS else "decimal", f"{text}.", unused
            ),
            scale=max(0, min(number.scale, DIGITS - digits)),
            style=number.style,
        )
    if is_id:
        if _is_key(connection, profile, column):
            return _base(column, "key", "text", f"Key of the row: {_words(column)}.", "it is different in every row")
        unused = "each customer has one of its own" if _is_fixed(connection, profile, column) else ""
        return _base(column, "identifier", "text", f"{text}.", unused)
    if column.meaning == "text":
        return _base(column, "text", "text", f"{text}.", "free text")
    if column.distinct > max(1000, 0.5 * column.filled):
        return _base(column, "text", "text", f"{text}.", "nearly every row has a value of its own")
    if outcome:
        return _base(column, "nominal", "text", f"{text}.", "its name says the outcome")
    if _is_fixed(connection, profile, column):
        return _base(
            column,
            "nominal",
            "text",
            f"{text}.",
            "it hardly ever changes within a customer: an attribute, not an event",
        )
    return _base(column, "nominal", "text", f"{text}.")


def _is_key(connection: duckdb.DuckDBPyConnection, profile: FileProfile, column: ColumnProfile) -> bool:
    """Whether the column tells rows apart, but for a few copies."""
    if column.fill_share < 0.99 or column.distinct < 0.9 * column.filled:
        return False
    distinct = connection.execute(f"select count(distinct {quote(column.name)}) from {quote(profile.view)}").fetchall()[
        0
    ][0]
    # A column that is named after its table (order_id of orders) is its key also where more rows came twice.
    is_own = is_named_after(column.raw_name, profile.name)
    return distinct >= (0.95 if is_own else 0.99) * column.filled


def _is_fixed(connection: duckdb.DuckDBPyConnection, profile: FileProfile, column: ColumnProfile) -> bool:
    """Whether at least 98 % of the customers with several rows have a single value."""
    if profile.entity is None:
        return False
    share = connection.execute(f"""
        select avg(case when n = 1 then 1.0 else 0.0 end)
        from (
            select approx_count_distinct({quote(column.name)}) as n
            from {quote(profile.view)}
            where {quote(column.name)} is not null
            group by {quote(profile.entity.column.name)} having count(*) > 1
        )
    """).fetchall()[0][0]
    return share is not None and share >= 0.98


def derived_money(profile: FileProfile, specs: list[ColumnSpec]) -> DerivedColumn | None:
    """Quantity times unit price, where a file has both and no total."""
    numbers = [s for s in specs if s.role == "number" and not s.unused]
    quantities = [s for s in numbers if vocabulary.is_quantity(s.raw_name) and s.type == "integer"]
    prices = [s for s in numbers if vocabulary.is_unit_price(s.raw_name)]
    totals = [
        s
        for s in numbers
        if s not in prices and s not in quantities and vocabulary.has_word(s.raw_name, vocabulary.TOTALS)
    ]
    if len(quantities) != 1 or len(prices) != 1 or totals:
        return None
    taken = {s.name for s in specs}
    name = next(n for n in ("line_amount", "computed_amount", "computed_line_amount") if n not in taken)
    return DerivedColumn(
        name,
        f"{quantities[0].name} * {prices[0].name}",
        f"{_label(quantities[0]).capitalize()} times {_label(prices[0])}.",
        scale=max(2, min(4, prices[0].scale)),
    )


def _label(spec: ColumnSpec) -> str:
    return spec.name.replace("_", " ")


def find_reversal(
    connection: duckdb.DuckDBPyConnection,
    profile: FileProfile,
    specs: list[ColumnSpec],
    sql_of: dict[str, str],
    taken: set[str],
) -> Reversal | None:
    """Find rows that take something back, by negative quantities or amounts.

    Parameters
    ----------
    sql_of : dict of str to str
        SQL over the view by column name, for numbers.
    taken : set of str
        Source names in use.

    Returns
    -------
    Reversal or None
    """
    signs = []
    for spec in specs:
        column = next(c for c in profile.columns if c.raw_name == spec.raw_name)
        is_signed = vocabulary.is_quantity(spec.raw_name) or vocabulary.has_word(spec.raw_name, vocabulary.MONEY)
        if spec.role != "number" or column.number is None or not is_signed or spec.unused:
            continue
        if 0 < column.number.negatives < MAX_REVERSED * column.number.readable:
            signs.append(spec)
    if not signs:
        return None
    negative = " or ".join(f"{sql_of[s.name]} < 0" for s in signs)
    conditions = [f"{s.name} < 0" for s in signs]
    told = [f"`{s.name}` is negative" for s in signs]
    for spec in specs:
        if spec.role == "identifier":
            for prefix in _reversal_prefixes(connection, profile.view, spec, negative):
                conditions.append(f"{spec.name} like '{prefix}%'")
                told.append(f"`{spec.name}` begins with {prefix}")
                negative += f" or {quote(spec.name)} like {literal(prefix + '%')}"
    rows = connection.execute(
        f"select count(*) from {quote(profile.view)} where coalesce({negative}, false)"
    ).fetchall()[0][0]
    is_sale = any(vocabulary.is_quantity(s.raw_name) for s in signs) or "refund" not in profile.name
    name = "returns" if is_sale else "reversals"
    if name in taken:
        name = f"{profile.name}_{name}"
    return Reversal(" or ".join(conditions), " or ".join(told), rows, name)


def _reversal_prefixes(connection: duckdb.DuckDBPyConnection, view: str, spec: ColumnSpec, negative: str) -> list[str]:
    """Single letters with which an identifier begins in reversing rows and (nearly) nowhere else."""
    found = connection.execute(f"""
        select prefix
        from (
            select
                left(cast({quote(spec.name)} as varchar), 1) as prefix,
                count(*) as n,
                count(*) filter (where {negative}) as reversed,
                (select count(*) from {quote(view)} where {negative}) as all_reversed
            from {quote(view)} group by 1
        )
        where regexp_full_match(prefix, '[A-Za-z]')
            and n >= 20 and reversed >= 0.95 * n and reversed >= 0.2 * all_reversed
        order by n desc
    """).fetchall()
    return [prefix for (prefix,) in found]


def measures(specs: list[ColumnSpec], derived: DerivedColumn | None) -> tuple[Measure, ...]:
    """Choose what is aggregated of a source's events.

    Amounts and quantities are added up; prices, rates and scores are not, since their sum says nothing.
    """
    chosen = []
    if derived is not None:
        chosen.append(
            Measure(
                derived.name,
                derived.name,
                ("sum", "mean", "max", "stddev"),
                _plain(derived.name),
                type=_decimal(derived.scale),
            )
        )
    for spec in specs:
        if spec.unused or spec.role in ("entity", "time", "available", "key"):
            continue
        if spec.role == "number":
            chosen.append(_number_measure(spec, has_money=derived is not None))
        elif spec.role == "boolean":
            expression = f"case when {spec.name} then 1 when not {spec.name} then 0 end"
            chosen.append(Measure(spec.name, expression, ("sum", "mean"), f"{_plain(spec.name)} (1 yes, 0 no)"))
        elif spec.role in ("identifier", "nominal"):
            chosen.append(Measure(spec.name, spec.name, ("nunique",), f"values of {_plain(spec.name)}"))
    return tuple(chosen)


def _number_measure(spec: ColumnSpec, has_money: bool) -> Measure:
    is_total = vocabulary.has_word(spec.raw_name, vocabulary.TOTALS)
    is_quantity = vocabulary.is_quantity(spec.raw_name)
    is_level = vocabulary.has_word(spec.raw_name, vocabulary.LEVELS) and not is_quantity
    if is_level:
        aggregates: tuple[str, ...] = ("mean", "min", "max")
    elif is_total and not has_money:
        aggregates = ("sum", "mean", "max", "stddev")
    else:
        aggregates = ("sum", "mean", "max")
    scale = 0 if spec.type == "integer" else spec.scale
    return Measure(spec.name, spec.name, aggregates, _plain(spec.name), type=_decimal(scale))


def reversal_measures(specs: list[ColumnSpec], derived: DerivedColumn | None) -> tuple[Measure, ...]:
    """What is aggregated of reversing rows: how much was taken back, as a positive number."""
    if derived is not None:
        name, scale = derived.name, derived.scale
    else:
        money = [
            s
            for s in specs
            if s.role == "number" and not s.unused and vocabulary.has_word(s.raw_name, vocabulary.MONEY)
        ]
        quantity = [s for s in specs if s.role == "number" and not s.unused and vocabulary.is_quantity(s.raw_name)]
        chosen = (money or quantity)[0]
        name, scale = chosen.name, 0 if chosen.type == "integer" else chosen.scale
    return (Measure(name, f"abs({name})", ("sum",), f"{_plain(name)} (as a positive number)", type=_decimal(scale)),)


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _decimal(scale: int) -> str:
    return f"decimal({DIGITS}, {scale})"
