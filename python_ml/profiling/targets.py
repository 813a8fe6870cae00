"""Targets: which column it is, which value counts, what goes together with it, and how much it can bear."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from python_ml.errors import UserError
from python_ml.leakage import find_leaks
from python_ml.onboarding.target import examine_target
from python_ml.profiling.association import Labelled, associate, labelled_rows, rate_of
from python_ml.profiling.figures import Estimate
from python_ml.profiling.schema import Attention
from python_ml.profiling.tables import Table
from python_ml.profiling.target_schema import Association, Capacity, Target
from python_ml.warehouse import literal, quote

if TYPE_CHECKING:
    import duckdb
    import numpy as np

    from python_ml.onboarding.profiling import ColumnProfile
    from python_ml.profiling.schema import Column

_CORRELATED = 60  # most columns of which the correlations are taken
EVENTS_PER_VARIABLE = 10
_UNUSED = ("identifier", "text", "constant", "empty", "email", "phone", "personal")


def measure(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    columns: list[Column],
    wanted: str | None,
    positive: str | None = None,
) -> list[Target]:
    """Measure the target that the user named or, without one, the only column that looks like it.

    Parameters
    ----------
    wanted, positive : str, optional
        The column, and its value that means leaving, where the user named them.

    Raises
    ------
    UserError
        When the named column cannot be read as left or stayed.
    """
    given = wanted is not None
    column = table.profile.column(wanted) if given else _likely(table, columns)
    if column is None:
        return []
    try:
        spec = examine_target(connection, table.profile, column, positive)
    except UserError:
        if given:
            raise
        return []  # a column that nobody named and nobody can read is no target
    values = ", ".join(literal(value) for value in spec.leaving)
    known = f"case when {quote(column.name)} is not null then {_label(column)} in ({values}) end"
    labelled = labelled_rows(connection, table, column, known)
    whole = rate_of("", spec.left, spec.known)
    return [
        Target(
            column=column.raw_name,
            given=given,
            meaning=spec.meaning,
            because=spec.evidence,
            flag=spec.flag,
            doubt=spec.doubt,
            left_rows=spec.left,
            labelled_rows=spec.known,
            rate=Estimate(value=whole.rate, low=whole.low, high=whole.high),
            sampled_rows=labelled.rows if labelled.rows < spec.known else None,
            clustered_by=table.profile.entity.column.raw_name if labelled.is_clustered else None,
            time=table.profile.time.column.raw_name if labelled.is_dated else None,
            by_time=_by_time(connection, labelled),
            associations=_associations(connection, table, columns, column, labelled),
            capacity=_capacity(connection, table, columns, column, labelled, min(spec.left, spec.known - spec.left)),
        )
    ]


def _likely(table: Table, columns: list[Column]) -> ColumnProfile | None:
    candidates = [c.name for c in columns if c.semantic == "target_candidate"]
    return table.profile.column(candidates[0]) if len(candidates) == 1 else None


def _label(column: ColumnProfile) -> str:
    """SQL of a label over typed columns, spelt as :mod:`python_ml.onboarding.target` spells its values."""
    return f"regexp_replace(lower(trim(cast({quote(column.name)} as varchar))), '[.]0$', '')"


def _associations(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    columns: list[Column],
    target: ColumnProfile,
    labelled: Labelled,
) -> list[Association]:
    named = {c.raw_name: c for c in table.columns}
    subjects = {
        c.name: named[c.name]
        for c in columns
        if c.semantic not in _UNUSED and c.name != target.raw_name and quote(named[c.name].name) != table.entity
    }
    few = {c.name for c in columns if c.distinct_exact and c.distinct <= 2}
    found = {}
    for name, subject in subjects.items():
        is_number = subject.kind in ("number", "time") and name not in few
        association = associate(connection, subject, labelled, is_number)
        if association is not None:
            found[name] = association
    leaks = {leak.column: leak for leak in find_leaks(found, *_arrays(connection, labelled, subjects))}
    told = [
        association.model_copy(update={"leak": leaks[name].severity, "leak_reasons": list(leaks[name].reasons)})
        if name in leaks
        else association
        for name, association in found.items()
    ]
    return sorted(told, key=lambda a: (-a.strength, a.column))


def _arrays(
    connection: duckdb.DuckDBPyConnection, labelled: Labelled, subjects: dict[str, ColumnProfile]
) -> tuple[Callable[[str], np.ndarray], np.ndarray]:
    """Values of one column at a time as an array, and the labels; of the sampled rows where there are many."""
    import numpy as np

    def read(expression: str) -> np.ndarray:
        return connection.execute(f"select {expression} as v from {labelled.relation}").fetchnumpy()["v"]

    def values_of(name: str) -> np.ndarray:
        subject = subjects[name]
        column = quote(subject.name)
        if subject.kind in ("number", "time"):
            value = f"epoch({column})" if subject.kind == "time" else column
            return np.ma.filled(np.ma.asarray(read(f"cast({value} as double)")), np.nan)
        texts = np.ma.asarray(read(column))
        return np.where(np.ma.getmaskarray(texts), None, texts.data.astype(object))

    return values_of, np.asarray(read("cast(__y as double)"))


def _by_time(connection: duckdb.DuckDBPyConnection, labelled: Labelled) -> list:
    if not labelled.is_dated:
        return []
    rows = connection.execute(f"""
        select __period, sum(__y), count(*) from {labelled.relation} where __period is not null group by 1 order by 1
    """).fetchall()
    return [rate_of(period, int(positives), count) for period, positives, count in rows if count >= 10][-60:]


def _capacity(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    columns: list[Column],
    target: ColumnProfile,
    labelled: Labelled,
    events: int,
) -> Capacity:
    """Events per variable, and how many independent variables the numbers amount to."""
    variables = 0
    for column in columns:
        if column.semantic in _UNUSED or column.name == target.raw_name or column.semantic == "datetime":
            continue
        levels = min(column.distinct, 20) - 1
        variables += max(levels, 1) if column.semantic in ("nominal", "ordinal", "cyclic") and not column.numbers else 1
    bearable = events // EVENTS_PER_VARIABLE
    ratio = events / max(variables, 1)
    if ratio >= 2 * EVENTS_PER_VARIABLE:
        told = f"{events:,} rows of the rarer class for {variables} variables: enough for all of them"
    elif ratio >= EVENTS_PER_VARIABLE:
        told = f"{events:,} rows of the rarer class for {variables} variables: just enough, with regularisation"
    else:
        told = (
            f"{events:,} rows of the rarer class bear about {bearable} variables, and there are {variables}: "
            "choose, regularise, or collect more"
        )
    if labelled.is_clustered:
        told += "; rows of one entity repeat, so that the true capacity is smaller"
    return Capacity(
        events=events,
        variables=variables,
        events_per_variable=ratio,
        bearable_variables=bearable,
        effective_variables=_effective(connection, table, target),
        words=told,
    )


def _effective(connection: duckdb.DuckDBPyConnection, table: Table, target: ColumnProfile) -> float | None:
    """Participation ratio of the eigenvalues of the correlations among numbers: 1 (all alike) to their count."""
    numbers = [c for c in table.of_kind("number") if c.distinct > 1 and c is not target and c.fill_share > 0.5][
        :_CORRELATED
    ]
    if len(numbers) < 2:
        return None
    import numpy as np

    # Ratios to the greatest value keep squares within bounds; correlations do not mind.
    scale = [max(abs(c.number.minimum), abs(c.number.maximum)) or 1.0 for c in numbers]
    values = [f"cast({quote(c.name)} as double) / {s!r}" for c, s in zip(numbers, scale, strict=True)]
    pairs = [(a, b) for a in range(len(numbers)) for b in range(a)]
    row = connection.execute(
        f"select {', '.join(f'corr({values[a]}, {values[b]})' for a, b in pairs)} from {table.sample}"
    ).fetchall()[0]
    matrix = np.eye(len(numbers))
    for (a, b), figure in zip(pairs, row, strict=True):
        matrix[a, b] = matrix[b, a] = figure if figure is not None and np.isfinite(figure) else 0.0
    values_of = np.clip(np.linalg.eigvalsh(matrix), 0.0, None)
    return float(values_of.sum() ** 2 / (values_of**2).sum())


def attention(table: Table, targets: list[Target]) -> list[Attention]:
    """Leaks, a positive class that is not churn, and too little to learn from."""
    found: list[Attention] = []

    def tell(level: str, topic: str, column: str | None, what: str) -> None:
        found.append(Attention(level=level, topic=topic, file=table.name, column=column, what=what))

    for target in targets:
        if target.flag:
            tell("critical", target.flag, target.column, f"{target.because}: {target.meaning}, is that right?")
        elif target.doubt:
            tell("warning", "meaning of the target", target.column, target.doubt)
        for association in target.associations:
            if association.leak:
                level = "critical" if association.leak == "critical" else "warning"
                what = f"probably knows {target.column} already: {'; '.join(association.leak_reasons)}"
                tell(level, "leak", association.column, what)
        if target.capacity.events_per_variable < EVENTS_PER_VARIABLE:
            tell("warning", "capacity", target.column, target.capacity.words)
        if not _has_signal(target.associations):
            what = f"no column goes together with {target.column} beyond chance: expect an AUC near 0.5"
            tell("warning", "no signal", target.column, what)
    return found


def _has_signal(associations: list[Association]) -> bool:
    """Whether any association is beyond what the best of so many would reach by chance."""
    for association in associations:
        if association.auc is not None and association.auc.low is not None:
            # The interval is for one column; looking for the best of many asks for more.
            reach = 1.5 * (association.auc.high - association.auc.low) / 2
            if abs(association.auc.value - 0.5) > max(reach, 0.02):
                return True
        if association.cramers_v is not None and association.cramers_v > 0.1:
            return True
    return False
