"""What goes together with the target: AUC of numbers, rates and Cramer's V of categories, overall and by time.

The interval of an AUC is DeLong's; where rows of one entity repeat, Obuchowski's, which counts entities rather than
rows (E. DeLong and others, Biometrics 1988; N. Obuchowski, Biometrics 1997).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_ml.intervals import Z_95, wilson
from python_ml.profiling.figures import Estimate, RateOf
from python_ml.profiling.numeric import plain
from python_ml.profiling.tables import Table
from python_ml.profiling.target_schema import Association, AssociationOf
from python_ml.warehouse import literal, quote

if TYPE_CHECKING:
    import duckdb

    from python_ml.onboarding.profiling import ColumnProfile

CATEGORIES = 50  # values of a category that are told apart
SHOWN = 12
FEWEST = 10  # of each class, for an AUC
MOST_ROWS = 200_000  # that associations are measured on: the intervals are narrow by then


@dataclass(frozen=True)
class Labelled:
    """Rows with a known label.

    Attributes
    ----------
    relation : str
        With the columns of the table and ``__y`` (0 or 1), ``__cluster`` and ``__period``.
    left, rows : int
    is_clustered, is_dated : bool
        Whether rows of one entity repeat, and whether there are periods.
    """

    relation: str
    left: int
    rows: int
    is_clustered: bool
    is_dated: bool


def associate(
    connection: duckdb.DuckDBPyConnection, column: ColumnProfile, labelled: Labelled, is_number: bool
) -> Association | None:
    """Measure how one column goes together with the target.

    Parameters
    ----------
    is_number : bool
        Whether its values have an order; times count as numbers.

    Returns
    -------
    Association or None
        None when there are too few values for a figure.
    """
    name = quote(column.name)
    rates, missing = _rates(connection, name, labelled, is_number)
    if is_number:
        value = f"epoch({name})" if column.kind == "time" else f"cast({name} as double)"
        auc = _auc(connection, value, labelled)
        if auc is None:
            return None
        by_time = _auc_by_time(connection, value, labelled) if labelled.is_dated else []
        strength = abs(2 * auc.value - 1)
        rows = connection.execute(f"select count({name}) from {labelled.relation}").fetchall()[0][0]
        return Association(
            column=column.raw_name,
            measure="auc",
            rows=rows,
            auc=auc,
            strength=strength,
            rates=_quarters(connection, value, labelled) if column.kind == "number" else [],
            missing_rate=missing,
            by_time=by_time,
        )
    category = _category(connection, name, labelled)
    strength = _cramers_v(_counts(connection, category, labelled).get(None, []))
    if strength is None:
        return None
    return Association(
        column=column.raw_name,
        measure="cramers_v",
        rows=labelled.rows,
        cramers_v=strength,
        strength=strength,
        rates=rates,
        missing_rate=missing,
        by_time=_v_by_time(connection, category, labelled) if labelled.is_dated else [],
    )


def rate_of(value: str, positives: int, rows: int) -> RateOf:
    """A rate with its interval."""
    low, high = map(float, wilson(positives, rows))
    return RateOf(value=value, rows=rows, rate=positives / rows if rows else 0.0, low=low, high=high)


def _rates(
    connection: duckdb.DuckDBPyConnection, name: str, labelled: Labelled, only_missing: bool
) -> tuple[list[RateOf], RateOf | None]:
    value = f"case when {name} is not null then '' end" if only_missing else f"left(cast({name} as varchar), 80)"
    rows = connection.execute(f"""
        select {value} as value, sum(__y), count(*) as n
        from {labelled.relation} group by 1 order by n desc, value limit {SHOWN + 1}
    """).fetchall()
    missing = next((rate_of("", int(p), n) for v, p, n in rows if v is None), None)
    if missing is not None and missing.rows == labelled.rows:
        missing = None
    return [rate_of(v, int(p), n) for v, p, n in rows if v is not None][:SHOWN] if not only_missing else [], missing


def _quarters(connection: duckdb.DuckDBPyConnection, value: str, labelled: Labelled) -> list[RateOf]:
    """Rates of the quarters of a column of numbers, lowest first; fewer where values repeat."""
    edges = connection.execute(f"select quantile_disc({value}, [0.25, 0.5, 0.75]) from {labelled.relation}").fetchall()
    cuts = sorted(set(edges[0][0] or []))
    if not cuts:
        return []
    cases = " ".join(f"when {value} <= {cut!r} then {place}" for place, cut in enumerate(cuts))
    rows = connection.execute(f"""
        select case {cases} else {len(cuts)} end as quarter, sum(__y), count(*), min({value}), max({value})
        from {labelled.relation} where ({value}) is not null group by 1 order by 1
    """).fetchall()
    return [
        rate_of(plain(low) if low == high else f"{plain(low)} to {plain(high)}", int(positives), count)
        for _, positives, count, low, high in rows
    ]


def _placements(value: str, relation: str, by: str = "") -> str:
    """Query of ``x, p, n`` and the placements of positives (``v10``) and negatives (``v01``) at each value.

    A positive's placement is the share of negatives below it, ties counting half; a negative's is the share of
    positives above.
    """
    part = "partition by part " if by else ""
    return f"""
        select part, x, p, n, total_p, total_n,
            (below_n + n / 2.0) / nullif(total_n, 0) as v10, (total_p - upto_p + p / 2.0) / nullif(total_p, 0) as v01
        from (
            select *,
                sum(n) over ({part}order by x) - n as below_n, sum(p) over ({part}order by x) as upto_p,
                sum(p) over ({part}) as total_p, sum(n) over ({part}) as total_n
            from (
                select {by or "0"} as part, {value} as x, sum(__y) as p, count(*) - sum(__y) as n
                from {relation} where ({value}) is not null {f"and {by} is not null" if by else ""} group by 1, 2
            )
        )
    """


def _auc(connection: duckdb.DuckDBPyConnection, value: str, labelled: Labelled) -> Estimate | None:
    placed = _placements(value, labelled.relation)
    if not labelled.is_clustered:
        row = connection.execute(f"""
            select sum(p * v10) / sum(p), sum(p), sum(n), sum(p * v10 * v10), sum(n * v01 * v01)
            from ({placed})
        """).fetchall()[0]
        auc, positives, negatives, squares, other = row
        if not positives or not negatives or min(positives, negatives) < FEWEST:
            return None
        s10 = (squares - positives * auc * auc) / (positives - 1)
        s01 = (other - negatives * auc * auc) / (negatives - 1)
        return _estimate(auc, s10 / positives + s01 / negatives)
    row = connection.execute(f"""
        with
        placed as materialized ({placed}),
        whole as (select sum(p * v10) / sum(p) as auc, sum(p) as m, sum(n) as k from placed),
        clusters as (
            select
                sum(case when __y = 1 then v10 - auc else 0 end) as a,
                sum(case when __y = 0 then v01 - auc else 0 end) as b,
                max(__y) as has_positive, max(1 - __y) as has_negative, any_value(auc) as auc,
                any_value(m) as m, any_value(k) as k
            from (select __y, __cluster, {value} as __x from {labelled.relation}) as r
            join placed on placed.x = r.__x cross join whole
            group by __cluster
        )
        select any_value(auc), any_value(m), any_value(k), sum(has_positive), sum(has_negative), count(*),
            sum(a * a), sum(b * b), sum(a * b)
        from clusters
    """).fetchall()[0]
    auc, m, k, with_positive, with_negative, clusters, aa, bb, ab = row
    if not m or not k or min(m, k) < FEWEST or min(with_positive, with_negative, clusters) < 2:
        return None
    s10 = with_positive / ((with_positive - 1) * m) * aa
    s01 = with_negative / ((with_negative - 1) * k) * bb
    s11 = clusters / (clusters - 1) * ab
    return _estimate(auc, s10 / m + s01 / k + 2 * s11 / (m * k))


def _estimate(auc: float, variance: float) -> Estimate:
    """An AUC with an interval on the logit scale, which stays within 0 and 1."""
    auc, deviation = float(auc), math.sqrt(max(float(variance), 0.0))
    if not 1e-9 < auc < 1 - 1e-9:
        return Estimate(value=auc, low=auc, high=auc)
    middle, reach = math.log(auc / (1 - auc)), Z_95 * deviation / (auc * (1 - auc))
    low, high = (1 / (1 + math.exp(-min(max(x, -700), 700))) for x in (middle - reach, middle + reach))
    return Estimate(value=auc, low=low, high=high)


def _auc_by_time(connection: duckdb.DuckDBPyConnection, value: str, labelled: Labelled) -> list[AssociationOf]:
    rows = connection.execute(f"""
        select part, sum(p * v10) / nullif(sum(p), 0) as auc, sum(p), sum(n),
            sum(p * v10 * v10), sum(n * v01 * v01)
        from ({_placements(value, labelled.relation, "__period")}) group by 1 order by 1
    """).fetchall()
    found = []
    for part, auc, p, n, squares, other in rows:
        if auc is None or min(p, n) < FEWEST:
            continue
        s10, s01 = (squares - p * auc * auc) / (p - 1), (other - n * auc * auc) / (n - 1)
        estimate = _estimate(auc, s10 / p + s01 / n)
        found.append(AssociationOf(period=str(part), rows=int(p + n), left=int(p), auc=estimate))
    return found


def _category(connection: duckdb.DuckDBPyConnection, name: str, labelled: Labelled) -> str:
    """SQL of a category as text; beyond the commonest values of a column of many, all the others are one."""
    common = connection.execute(f"""
        select cast({name} as varchar) as value from {labelled.relation} where {name} is not null
        group by 1 order by count(*) desc, 1 limit {CATEGORIES + 1}
    """).fetchall()
    if len(common) <= CATEGORIES:
        return f"cast({name} as varchar)"
    values = ", ".join(literal(value) for (value,) in common[: CATEGORIES - 1])
    text = f"cast({name} as varchar)"
    return f"case when {text} in ({values}) then 'v' || {text} when {text} is not null then 'other' end"


def _counts(
    connection: duckdb.DuckDBPyConnection, category: str, labelled: Labelled, period: str = "null"
) -> dict[str | None, list[tuple[int, int]]]:
    """Those who left, and rows, of each category, by period."""
    rows = connection.execute(f"""
        select part, sum(__y), count(*)
        from (select {period} as part, {category} as category, __y from {labelled.relation})
        group by part, category order by part, category
    """).fetchall()
    found: dict[str | None, list[tuple[int, int]]] = {}
    for part, positives, count in rows:
        found.setdefault(part, []).append((int(positives), count))
    return found


def _v_by_time(connection: duckdb.DuckDBPyConnection, category: str, labelled: Labelled) -> list[AssociationOf]:
    found = []
    for part, counts in _counts(connection, category, labelled, "__period").items():
        rows, left = sum(n for _, n in counts), sum(p for p, _ in counts)
        value = _cramers_v(counts)
        if part is not None and value is not None and min(left, rows - left) >= FEWEST:
            found.append(AssociationOf(period=str(part), rows=rows, left=left, cramers_v=value))
    return found


def _cramers_v(counts: list[tuple[int, int]]) -> float | None:
    """Cramer's V with the correction of Bergsma (2013) for chance; missing is a value of its own.

    Parameters
    ----------
    counts : list of (int, int)
        Those who left, and rows, of each category.

    Returns
    -------
    float or None
        0 to 1; None for a single category or a single outcome.
    """
    total, positives = sum(n for _, n in counts), sum(p for p, _ in counts)
    if len(counts) < 2 or not 0 < positives < total:
        return None
    share = positives / total
    chi = sum((p - n * share) ** 2 / (n * share * (1 - share)) for p, n in counts)
    levels = len(counts)
    phi = max(0.0, chi / total - (levels - 1) / (total - 1))
    corrected = min(levels - (levels - 1) ** 2 / (total - 1), 2 - 1 / (total - 1)) - 1
    return min(math.sqrt(phi / corrected), 1.0) if corrected > 0 else 0.0


def labelled_rows(connection: duckdb.DuckDBPyConnection, table: Table, column: ColumnProfile, leaving: str) -> Labelled:
    """Rows of the sample with a label, each with its entity and its period.

    Parameters
    ----------
    leaving : str
        SQL over the table's columns: whether a row's label means leaving, null without a label.
    """
    relation = quote(f"labelled_{table.profile.view}")
    clustered = table.entity is not None and not table.is_entity_level
    cluster = f"coalesce(cast({table.entity} as varchar), 'row ' || row_number() over ())" if clustered else "null"
    unit = _unit(connection, table) if table.time else ""
    period = f"strftime(date_trunc('{unit}', {table.time}), '%Y-%m')" if unit else "null"
    sample, every = table.sample, -(-(table.sampled_rows or table.rows) // MOST_ROWS)
    if every > 1:
        numbered = f"(select *, row_number() over () as __place from {sample})"
        sample = f"(select * exclude (__place) from {numbered} where __place % {every} = 0)"
    connection.execute(f"""
        create or replace temp table {relation} as
        select *, cast({leaving} as integer) as __y, {cluster} as __cluster, {period} as __period
        from {sample} where ({leaving}) is not null
    """)
    rows, left = connection.execute(f"select count(*), coalesce(sum(__y), 0) from {relation}").fetchall()[0]
    return Labelled(relation, int(left), rows, clustered, bool(unit))


def _unit(connection: duckdb.DuckDBPyConnection, table: Table) -> str:
    """Period length that gives between three and a dozen periods, empty when there are none."""
    days = connection.execute(f"""
        select date_diff('day', quantile_disc({table.time}, 0.02), quantile_disc({table.time}, 0.98))
        from {table.sample} where {table.time} >= timestamp '1900-01-01' and {table.time} < timestamp '2200-01-01'
    """).fetchall()[0][0]
    if not days or days < 60:
        return ""
    return "month" if days <= 370 else "quarter" if days <= 3 * 370 else "year"
