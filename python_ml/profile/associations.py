"""How the columns of a table go together with its outcome, and which of them know it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from python_ml.ingest.schema import Column
from python_ml.profile.outcomes import churned_sql
from python_ml.profile.schema import Association, ChurnRate, OutcomeColumn, TableProfile
from python_ml.profile.statistics import auc, rate
from python_ml.profile.tables import Table, batches, kind_of, plain
from python_ml.warehouse import quote

if TYPE_CHECKING:
    import numpy as np

CATEGORIES, SHOWN = 50, 12  # values of a category that are distinguished, and that are shown
MOST_ROWS = 200_000  # the intervals are narrow by then
MOST_KEPT = 20_000_000  # values that are kept in memory
RECURRING = 1.05  # rows per customer from which rows are not independent
_UNUSED = ("identifier", "text", "constant", "empty", "email", "phone", "personal")


@dataclass(frozen=True)
class Labelled:
    """Rows with a known outcome, in a relation that also has ``churned_`` (0 or 1).

    Attributes
    ----------
    relation : str
    churned : ndarray, shape (n_rows,)
    clusters : ndarray, shape (n_rows,), or None
        Number of each row's customer, where customers have several rows.
    """

    table: Table
    relation: str
    churned: np.ndarray
    clusters: np.ndarray | None = None
    _read_values: dict[str, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def values(self, column: Column) -> np.ndarray:
        """Values of a column: floats with NaN for numbers and times, objects with None for others."""
        if column.name not in self._read_values:
            self.read([column])
        return self._read_values[column.name]

    def read(self, columns: Iterable[Column]) -> None:
        """Read columns together, and keep their values as long as these are few."""
        import numpy as np

        wanted = {}
        for column in columns:
            name = quote(column.name)
            is_ordered = kind_of(column) in ("number", "duration", "time")
            value = f"epoch({name})" if column.kind == "time" else name
            sql = f"cast({value} as double)" if is_ordered else f"left(cast({name} as varchar), 80)"
            wanted[column.name] = sql, is_ordered
        if len(self.churned) * (len(self._read_values) + len(wanted)) > MOST_KEPT:
            self._read_values.clear()
        arrays = self.fetch(", ".join(f"{sql} as {quote(name)}" for name, (sql, _) in wanted.items()))
        for (name, (_, is_ordered)), array in zip(wanted.items(), arrays, strict=True):
            values = np.ma.asarray(array)
            missing = np.ma.getmaskarray(values)
            plain_values = np.ma.filled(values, np.nan) if is_ordered else values.data.astype(object)
            self._read_values[name] = plain_values if is_ordered else np.where(missing, None, plain_values)

    def fetch(self, expressions: str) -> list[np.ndarray]:
        """Arrays of expressions over the relation."""
        rows = self.table.connection.execute(f"select {expressions} from {self.relation}").fetchnumpy()
        return list(rows.values())


def label(table: Table, profile: TableProfile, outcome: OutcomeColumn) -> Labelled:
    """The rows of a table with a known outcome; of many, every n-th."""
    import numpy as np

    relation = quote(f"labelled_{table.name}")
    churned = churned_sql(table.column(outcome.column), outcome)
    every = max(-(-(table.sampled_rows or table.rows) // MOST_ROWS), 1)
    table.connection.execute(f"""
        create or replace temp table {relation} as
        select * exclude (place_)
        from (
            select *, cast({churned} as integer) as churned_, row_number() over () as place_ from {table.sample}
        )
        where churned_ is not null and place_ % {every} = 0
    """)
    labelled = Labelled(table, relation, np.empty(0))
    labels = np.asarray(labelled.fetch("churned_")[0])
    person = next((f for f in profile.identifiers if f.person >= 2), None)
    clusters = None
    if person is not None and person.rows_per_value >= RECURRING:
        name = quote(person.column)
        key = f"coalesce(cast({name} as varchar), 'row ' || row_number() over ())"
        clusters = np.unique(labelled.fetch(key)[0].astype(str), return_inverse=True)[1]
    return Labelled(table, relation, labels, clusters)


def associate(
    profile: TableProfile, outcome: OutcomeColumn, labelled: Labelled, probe: Callable | None = None
) -> OutcomeColumn:
    """Add the associations of an outcome, the strongest first.

    Parameters
    ----------
    labelled : Labelled
        See :func:`label`.
    probe : callable, optional
        ``probe(names, values_of, churned)`` gives the columns that know the outcome.
    """
    keys = {f.column for f in profile.identifiers if f.person >= 2} | {outcome.column}
    subjects = {c.column.name: c.column for c in profile.columns if c.column.semantic not in _UNUSED}
    subjects = {name: column for name, column in subjects.items() if name not in keys}
    associations = {}
    for batch in batches(subjects.values()):
        labelled.read(batch)
        measured = {column.name: _associate(column, labelled) for column in batch}
        associations |= {name: association for name, association in measured.items() if association is not None}
    if probe is not None:
        leaks = probe(tuple(associations), lambda name: labelled.values(subjects[name]), labelled.churned)
        for leak in leaks:
            associations[leak.column] = replace(
                associations[leak.column], leak=leak.severity, leak_reasons=tuple(leak.reasons)
            )
    ranked = sorted(associations.values(), key=lambda a: (-a.strength, a.column))
    return replace(outcome, associations=tuple(ranked))


def _associate(column: Column, labelled: Labelled) -> Association | None:
    import numpy as np

    values = labelled.values(column)
    if values.dtype == object or column.distinct <= 2:
        return _of_categories(column, values, labelled)
    filled = np.isfinite(values)
    clusters = None if labelled.clusters is None else labelled.clusters[filled]
    estimate = auc(values[filled], labelled.churned[filled], clusters)
    if estimate is None:
        return None
    rates = _quarters(values[filled], labelled.churned[filled]) if column.kind != "time" else ()
    return Association(column.name, "auc", int(filled.sum()), estimate.value, estimate, rates)


def _quarters(values: np.ndarray, churned: np.ndarray) -> tuple[ChurnRate, ...]:
    """Rates of the quarters of a column of numbers, the lowest first; fewer where values repeat."""
    import numpy as np

    cuts = np.unique(np.quantile(values, [0.25, 0.5, 0.75], method="inverted_cdf"))
    quarter = np.searchsorted(cuts, values)
    rates = []
    for place in np.unique(quarter):
        members = quarter == place
        low, high = plain(values[members].min()), plain(values[members].max())
        group = low if low == high else f"{low} to {high}"
        rates.append(rate(group, int(churned[members].sum()), int(members.sum())))
    return tuple(rates)


def _of_categories(column: Column, values: np.ndarray, labelled: Labelled) -> Association | None:
    import pandas as pd

    from python_ml.stats import cramers_v

    # A missing value is a category of its own.
    categories = pd.Series(values).map(_text, na_action="ignore").fillna("")
    counts = (
        pd.DataFrame({"group": categories, "churned": labelled.churned}).groupby("group").churned.agg(["sum", "size"])
    )
    counts = counts.sort_index().sort_values("size", ascending=False, kind="stable")
    pairs = [(int(churned), int(size - churned)) for churned, size in counts.itertuples(index=False)]
    if len(pairs) > CATEGORIES:
        rest = pairs[CATEGORIES - 1 :]
        pairs = [*pairs[: CATEGORIES - 1], (sum(p for p, _ in rest), sum(n for _, n in rest))]
    strength = cramers_v(pairs)
    if strength is None:
        return None
    rates = tuple(rate(group or "missing", int(c), int(n)) for group, c, n in counts.head(SHOWN).itertuples())
    return Association(column.name, "cramers_v", len(values), strength, rates=rates)


def _text(value: object) -> str:
    return plain(value) if isinstance(value, float) else str(value)
