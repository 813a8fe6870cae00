"""What is aggregated of the events of a source, from the columns that its rows have."""

from __future__ import annotations

from python_ml.feature_columns import Measure
from python_ml.ingest import vocabulary
from python_ml.names import identifier
from python_ml.plan.columns import DIGITS
from python_ml.plan.schema import ColumnPlan, DerivedColumn, ReversalPlan
from python_ml.profile.schema import TableProfile

MOST_MEASURES = 25
MOST_SHARES = 6  # values of a lookup's category that get a share of their own
_CADENCE = ("active_days", "last_gap_days", "median_gap_days", "longest_gap_days", "gap_stddev_days")
_CADENCE_RATIOS = (
    "recency_per_mean_gap", "recency_per_longest_gap", "recency_per_tenure", "recency_zscore",
)  # fmt: skip
CADENCE = (*_CADENCE, *_CADENCE_RATIOS)


_RUNNING = vocabulary.terms("running_totals")


def is_running_total(table: str, column: ColumnPlan) -> bool:
    """Whether a number is a total so far, of which the last value and the change mean something and a sum does not."""
    return vocabulary.has_word(table, _RUNNING) or vocabulary.has_word(column.raw_name, _RUNNING)


def derived_amount(columns: tuple[ColumnPlan, ...]) -> DerivedColumn | None:
    """Quantity times unit price, where a table has both and no total."""
    numbers = [c for c in columns if c.role == "number" and not c.unused]
    quantities = [c for c in numbers if vocabulary.is_quantity(c.raw_name) and c.type == "integer"]
    prices = [c for c in numbers if vocabulary.is_unit_price(c.raw_name)]
    totals = [
        c
        for c in numbers
        if c not in prices and c not in quantities and vocabulary.has_word(c.raw_name, vocabulary.TOTALS)
    ]
    if len(quantities) != 1 or len(prices) != 1 or totals:
        return None
    taken = {c.name for c in columns}
    name = next(n for n in ("line_amount", "computed_amount", "computed_line_amount") if n not in taken)
    return DerivedColumn(
        name,
        f"{quantities[0].name} * {prices[0].name}",
        f"{_text(quantities[0].name).capitalize()} times {_text(prices[0].name)}.",
        scale=6 if prices[0].type == "double" else max(2, min(6, prices[0].reading.scale)),
    )


def reversal_of(
    table: TableProfile,
    columns: tuple[ColumnPlan, ...],
    names: dict[str, str],
    derived: DerivedColumn | None,
    taken: set[str],
) -> ReversalPlan | None:
    """Reversals, in names of bronze.

    Parameters
    ----------
    names : dict of str to str
        Name in bronze by safe name.
    taken : set of str
        Source names that are in use.
    """
    facts = table.reversal
    if facts is None:
        return None
    by_name = {c.name: c for c in columns}
    negative = [names[n] for n in facts.negative if names[n] in by_name and by_name[names[n]].role == "number"]
    if not negative:
        return None
    conditions = [f"{n} < 0" for n in negative]
    conditions += [f"{names[column]} like '{prefix}%'" for column, prefix in facts.prefixes]
    is_sale = any(vocabulary.is_quantity(by_name[n].raw_name) for n in negative) or "refund" not in table.name
    name = "returns" if is_sale else "reversals"
    name = f"{table.name}_{name}" if name in taken else name
    plan = reversal_plan(name, " or ".join(conditions), facts.rows, columns, (derived,) if derived else ())
    return plan if plan.measures else None


def reversal_plan(
    name: str, condition: str, rows: int, columns: tuple[ColumnPlan, ...], derived: tuple[DerivedColumn, ...]
) -> ReversalPlan:
    """A reversal by its condition: ``quantity < 0 or invoice_no like 'C%'``."""
    text = condition.replace(" < 0", "` is negative").replace(" like '", "` begins with ").replace("%'", "")
    text = " or ".join(f"`{part}" for part in text.split(" or "))
    amount = next((d for d in derived if d.type == "decimal"), None)
    return ReversalPlan(name, condition, text, rows, _reversal_measures(columns, amount))


def _reversal_measures(columns: tuple[ColumnPlan, ...], derived: DerivedColumn | None) -> tuple[Measure, ...]:
    """How much was taken back, as a positive number."""
    if derived is not None:
        name, type_ = derived.name, _decimal(derived.scale)
    else:
        numbers = [c for c in columns if c.role == "number" and not c.unused]
        money = [c for c in numbers if vocabulary.has_word(c.raw_name, vocabulary.MONEY)]
        amounts = money or [c for c in numbers if vocabulary.is_quantity(c.raw_name)]
        if not amounts:
            return ()
        name, type_ = amounts[0].name, _type(amounts[0])
    label = f"{_text(name)} (as a positive number)"
    return (Measure(name, f"abs({name})", ("sum",), label, type=type_),)


def measure_of(
    column: ColumnPlan, has_amount: bool, values: tuple[str, ...] = (), is_running: bool = False
) -> Measure | None:
    """The measure of a column of events; None where nothing can be aggregated.

    Parameters
    ----------
    column : ColumnPlan
    has_amount : bool
        Whether the table has a computed amount, so that no other number is the total.
    values : tuple of str
        Values of a category that get a count and a share of their own.
    is_running : bool
        Whether the number is a running total, of which a sum means nothing.
    """
    if column.unused or column.role in ("entity", "time", "available", "changed", "key", "further_time", "label"):
        return None
    text = _text(column.name)
    if column.role == "number":
        if is_running:
            return Measure(column.name, column.name, ("last", "min", "max"), text, type=_type(column))
        return Measure(column.name, column.name, _aggregates(column, has_amount), text, type=_type(column))
    if column.role == "boolean":
        expression = f"case when {column.name} then 1 when not {column.name} then 0 end"
        return Measure(column.name, expression, ("sum", "mean"), f"{text} (1 yes, 0 no)")
    if column.role == "nominal" and values:
        named = {suffix: value for value in values if (suffix := _suffix(value))}
        if named:
            return Measure(
                column.name,
                column.name,
                ("count", "share"),
                text,
                type="text",
                values=named,
                plural=f"values of {text}",
            )
    if column.role in ("identifier", "nominal"):
        return Measure(column.name, column.name, ("nunique",), f"values of {text}")
    return None


def _suffix(value: str) -> str:
    name = identifier(value, "value")
    return "" if name.startswith("unnamed_") else name


def _aggregates(column: ColumnPlan, has_amount: bool) -> tuple[str, ...]:
    is_quantity = vocabulary.is_quantity(column.raw_name)
    if column.reading.type == "duration" or (
        vocabulary.has_word(column.raw_name, vocabulary.LEVELS) and not is_quantity
    ):
        return ("mean", "min", "max")
    if vocabulary.has_word(column.raw_name, vocabulary.TOTALS) and not has_amount:
        return ("sum", "mean", "max", "stddev", "last", "last_per_mean")
    return ("sum", "mean", "max")


def amount_measure(derived: DerivedColumn) -> Measure:
    """The measure of a computed amount."""
    aggregates = ("sum", "mean", "max", "stddev", "last", "last_per_mean")
    return Measure(derived.name, derived.name, aggregates, _text(derived.name), type=_decimal(derived.scale))


def _type(column: ColumnPlan) -> str:
    """The type in which the values of a number are added up: none of them is rounded."""
    if column.type == "double":
        return "double"
    return _decimal(0 if column.type == "integer" else column.reading.scale)


def _text(name: str) -> str:
    return name.replace("_", " ")


def _decimal(scale: int) -> str:
    return f"decimal({DIGITS}, {scale})"
