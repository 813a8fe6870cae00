"""Natural segments: groups that the attributes form by themselves, without the target, and how many of each left.

k-means on standardised attributes; the number of groups by the silhouette (P. Rousseeuw, 1987). Groups count only when
they are clearer than those of the same columns shuffled each for itself, in which no two columns have to do with each
other: skew and twos in a single column look like groups, but are none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_ml.profiling import lifecycle
from python_ml.profiling.association import rate_of
from python_ml.profiling.tables import Table
from python_ml.profiling.target_schema import Mark, Segment, Segments
from python_ml.warehouse import quote

if TYPE_CHECKING:
    import duckdb
    import numpy as np

    from python_ml.profiling.schema import Column
    from python_ml.profiling.target_schema import Target

FEWEST_ROWS, MOST_ROWS = 200, 20_000
FITTED_ROWS, JUDGED_ROWS = 5_000, 1_500  # of which groups are made, and of which silhouettes are taken
MOST_COLUMNS, MOST_LEVELS = 25, 8
MOST_SEGMENTS = 6
CLEAR, CLEARER = 0.2, 0.05  # silhouette of groups, and how far it must lie above that of shuffled columns
SMALLEST = 0.02  # share of the rows
MARKS = 4  # attributes that describe a segment
_NUMBERS = ("money", "continuous", "discrete", "duration", "ordinal", "binary", "cyclic")
_CLASSES = ("nominal", "ordinal", "binary", "cyclic")


@dataclass(frozen=True)
class _Attribute:
    """A column of the matrix: values as they are, and as distances are taken (mean 0, spread 1)."""

    name: str
    level: str | None
    raw: np.ndarray
    scaled: np.ndarray


def measure(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    columns: list[Column],
    targets: list[Target],
    entities: str | None,
) -> Segments | None:
    """Look for segments among the rows or, in tables of events, among their entities.

    Parameters
    ----------
    targets : list of Target
        Left out, as are columns that know them.
    entities : str, optional
        Table of :mod:`python_ml.profiling.lifecycle`: one row per entity.

    Returns
    -------
    Segments or None
        None for tables of too few rows or attributes, and for events of nobody known.
    """
    outcomes = {c.name for c in columns if c.semantic == "target_candidate"} | {t.column for t in targets}
    outcomes |= {a.column for t in targets for a in t.associations if a.leak == "critical"}
    usable = [c for c in columns if c.name not in outcomes and c.missing_share < 0.5]
    if entities is not None:
        of, read = "entities", _of_entities(connection, table, usable, entities)
    elif (table.time or table.entity) and not table.is_entity_level:
        return None  # events of which nobody knows whose they are, or when
    else:
        of, read = "rows", _of_rows(connection, table, usable, targets)
    attributes, labels, total = read
    if len(attributes) < 2 or len(attributes[0].raw) < FEWEST_ROWS:
        return None
    return _found(of, attributes, labels, total, targets[0].column if targets and labels is not None else None)


def _of_rows(
    connection: duckdb.DuckDBPyConnection, table: Table, columns: list[Column], targets: list[Target]
) -> tuple[list[_Attribute], np.ndarray | None, int]:
    named = {c.raw_name: c for c in table.columns}
    numbers, classes = {}, {}
    for column in columns:
        measured = named[column.name]
        is_few = column.distinct_exact and column.distinct <= 2
        if column.semantic in _NUMBERS and measured.kind == "number" and column.distinct > 2:
            numbers[column.name] = f"cast({quote(measured.name)} as double)"
        elif column.semantic in _CLASSES and (is_few or column.distinct <= MOST_LEVELS):
            classes[column.name] = f"left(cast({quote(measured.name)} as varchar), 60)"
    relation = quote(f"labelled_{table.profile.view}") if targets else table.sample
    label = "cast(__y as double)" if targets else "null::double"
    return _read(connection, relation, numbers, classes, label if targets else None)


def _of_entities(
    connection: duckdb.DuckDBPyConnection, table: Table, columns: list[Column], entities: str
) -> tuple[list[_Attribute], np.ndarray | None, int]:
    """Entities by how long they are known, how often and how lately they came, and what their events are like."""
    named = {c.raw_name: c for c in table.columns}
    means = [
        named[c.name] for c in columns if c.semantic in ("money", "continuous", "discrete", "duration") and c.numbers
    ][:8]
    wanted = ", ".join(f"avg(cast({quote(c.name)} as double)) as m{place}" for place, c in enumerate(means))
    values = "".join(f", m{place}" for place in range(len(means)))
    joined = f"""
        left join (
            select {table.entity} as entity, {wanted} from {lifecycle.follow(connection, table)} group by 1
        ) as means using (entity)
    """
    relation = f"""(
        select tenure, events, intensity, date_diff('day', last_day, (select max(last_day) from {entities})) as pause
            {values}
        from {entities} {joined if means else ""} order by hash(entity), entity
    )"""
    numbers = {"days known": "cast(tenure as double)", "events": "cast(events as double)"}
    numbers |= {"events in 30 days": "cast(intensity as double)", "days since the last event": "cast(pause as double)"}
    numbers |= {f"mean {c.raw_name}": f"m{place}" for place, c in enumerate(means)}
    return _read(connection, relation, numbers, {}, None)


def _read(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    numbers: dict[str, str],
    classes: dict[str, str],
    label: str | None,
) -> tuple[list[_Attribute], np.ndarray | None, int]:
    """Attributes of at most :data:`MOST_ROWS` rows, evenly spread over the relation."""
    import numpy as np

    chosen = list((numbers | classes).items())[:MOST_COLUMNS]
    total = connection.execute(f"select count(*) from {relation} as r").fetchall()[0][0]
    if not chosen or total < FEWEST_ROWS:
        return [], None, total
    wanted = ", ".join(f"{sql} as a{place}" for place, (_, sql) in enumerate(chosen))
    wanted += f", {label} as label" if label else ""
    every = max(math.ceil(total / MOST_ROWS), 1)
    read = connection.execute(f"""
        select * exclude (place) from (select {wanted}, row_number() over () - 1 as place from {relation} as r)
        where place % {every} = 0 order by place
    """).fetchnumpy()
    attributes = []
    for place, (name, _) in enumerate(chosen):
        column = np.ma.asarray(read[f"a{place}"])
        attributes += _of_number(name, column) if name in numbers else _of_classes(name, column)
    labels = np.asarray(np.ma.filled(np.ma.asarray(read["label"]), np.nan), dtype=float) if label else None
    return attributes, labels, total


def _of_number(name: str, column: np.ma.MaskedArray) -> list[_Attribute]:
    import numpy as np

    raw = np.ma.filled(column.astype(float), np.nan)
    raw[~np.isfinite(raw)] = np.nan
    if np.isnan(raw).all():
        return []
    middle = np.nanmedian(raw)
    filled = np.where(np.isnan(raw), middle, raw)
    low, high = np.quantile(filled, [0.01, 0.99])
    # What spans orders of magnitude is compared by its logarithm.
    if low >= 0 and high > 20 * max(middle, 1e-9):
        filled, low, high = np.log1p(np.maximum(filled, 0)), np.log1p(low), np.log1p(high)
    clipped = np.clip(filled, low, high)
    spread = clipped.std()
    return [_Attribute(name, None, raw, (clipped - clipped.mean()) / spread)] if spread > 0 else []


def _of_classes(name: str, column: np.ma.MaskedArray) -> list[_Attribute]:
    import numpy as np

    values = np.where(np.ma.getmaskarray(column), None, column.data.astype(object))
    levels = sorted({value for value in values if value is not None})
    if not 2 <= len(levels) <= MOST_LEVELS:
        return []
    kept = levels[1:] if len(levels) == 2 else levels
    found = []
    for level in kept:
        raw = (values == level).astype(float)
        # Together, the levels of a column weigh about as much as a number.
        found.append(_Attribute(name, level, raw, (raw - raw.mean()) / max(math.sqrt(len(kept)) * 0.5, 0.5)))
    return found


def _found(
    of: str, attributes: list[_Attribute], labels: np.ndarray | None, total: int, target: str | None
) -> Segments:
    import numpy as np

    matrix = np.column_stack([a.scaled for a in attributes])
    numbers, silhouette, shuffled = _groups(matrix)
    sizes = np.bincount(numbers)
    supported = bool(silhouette >= CLEAR and silhouette >= shuffled + CLEARER and sizes.min() >= SMALLEST * len(matrix))
    told = f"silhouette {silhouette:.2f}, against {shuffled:.2f} of the same columns shuffled"
    common = {
        "of": of,
        "rows": len(matrix),
        "sampled_from": total if total > len(matrix) else None,
        "attributes": list(dict.fromkeys(a.name for a in attributes)),
        "silhouette": silhouette,
        "silhouette_shuffled": shuffled,
        "supported": supported,
        "target": target,
    }
    if not supported:
        return Segments(words=f"no natural segments ({told}): {of} differ by degrees", **common)
    order = np.argsort(-sizes, kind="stable")
    segments = [_segment(place, numbers == group, attributes, labels) for place, group in enumerate(order, start=1)]
    words = f"{len(segments)} natural segments ({told})"
    rates = [s.left for s in segments if s.left is not None]
    if len(rates) > 1:
        low, high = min(rates, key=lambda r: r.rate), max(rates, key=lambda r: r.rate)
        differ = "differ in" if high.low > low.high else "do not differ, beyond chance, in"
        words += f"; they {differ} the share that left ({low.rate:.1%} to {high.rate:.1%})"
    return Segments(words=words, segments=segments, **common)


def _groups(matrix: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Number of each row's group, the silhouette, and that of as many groups in shuffled columns."""
    import numpy as np

    rows = np.random.default_rng(0).permutation(len(matrix))[:FITTED_ROWS]
    fitted = matrix[rows]
    options = [_k_means(fitted, count) for count in range(2, MOST_SEGMENTS + 1)]
    judged = [_silhouette(fitted, centres) for centres in options]
    best = max(range(len(options)), key=lambda place: judged[place])
    draw = np.random.default_rng(1)
    shuffled = np.column_stack([draw.permutation(fitted[:, place]) for place in range(fitted.shape[1])])
    return (
        _nearest(matrix, options[best]),
        judged[best],
        _silhouette(shuffled, _k_means(shuffled, len(options[best]))),
    )


def _k_means(matrix: np.ndarray, count: int) -> np.ndarray:
    """Centres, shape (count, n_attributes): the best of five starts, by k-means++ (Arthur and Vassilvitskii, 2007)."""
    import numpy as np

    best, least = None, math.inf
    for start in range(5):
        draw = np.random.default_rng(start)
        centres = matrix[[draw.integers(len(matrix))]]
        while len(centres) < count:
            away = _squares(matrix, centres).min(axis=1)
            if away.sum() <= 0:
                break
            centres = np.vstack([centres, matrix[draw.choice(len(matrix), p=away / away.sum())]])
        for _ in range(60):
            numbers = _nearest(matrix, centres)
            moved = np.array(
                [matrix[numbers == k].mean(axis=0) if (numbers == k).any() else centres[k] for k in range(len(centres))]
            )
            if np.allclose(moved, centres, atol=1e-6):
                break
            centres = moved
        spread = float(_squares(matrix, centres).min(axis=1).sum())
        if spread < least - 1e-9:
            best, least = centres, spread
    return best


def _squares(matrix: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Squared distances, shape (n_rows, n_centres)."""
    import numpy as np

    found = (matrix**2).sum(axis=1)[:, None] - 2 * matrix @ centres.T + (centres**2).sum(axis=1)[None, :]
    return np.maximum(found, 0.0)


def _nearest(matrix: np.ndarray, centres: np.ndarray) -> np.ndarray:
    return _squares(matrix, centres).argmin(axis=1)


def _silhouette(matrix: np.ndarray, centres: np.ndarray) -> float:
    """Mean silhouette of the first rows, -1 to 1; 0 where there is a single group."""
    import numpy as np

    seen = matrix[:JUDGED_ROWS]
    numbers = _nearest(seen, centres)
    groups = np.unique(numbers)
    if len(groups) < 2:
        return 0.0
    distances = np.sqrt(_squares(seen, seen))
    members = np.column_stack([(numbers == group) for group in groups]).astype(float)
    sums, sizes = distances @ members, members.sum(axis=0)
    own = np.searchsorted(groups, numbers)
    rows = np.arange(len(seen))
    within = sums[rows, own] / np.maximum(sizes[own] - 1, 1)
    others = sums / sizes
    others[rows, own] = np.inf
    between = others.min(axis=1)
    values = np.where(sizes[own] > 1, (between - within) / np.maximum(np.maximum(between, within), 1e-12), 0.0)
    return float(values.mean())


def _segment(number: int, members: np.ndarray, attributes: list[_Attribute], labels: np.ndarray | None) -> Segment:
    import numpy as np

    told = sorted(attributes, key=lambda a: (-abs(a.scaled[members].mean()), a.name, a.level or ""))
    marks: list[Mark] = []
    chosen: list[_Attribute] = []
    for attribute in told:
        if len(marks) == MARKS or any(_says_the_same(attribute, other) for other in chosen):
            continue
        if attribute.level is None:
            here, everywhere = np.nanmedian(attribute.raw[members]), np.nanmedian(attribute.raw)
        else:
            here, everywhere = attribute.raw[members].mean(), attribute.raw.mean()
        if np.isfinite(here) and here != everywhere:
            chosen.append(attribute)
            marks.append(Mark(attribute=attribute.name, level=attribute.level, here=here, everywhere=everywhere))
    left = None
    if labels is not None:
        known = labels[members]
        known = known[~np.isnan(known)]
        left = rate_of(str(number), int(known.sum()), len(known)) if len(known) else None
    count = int(members.sum())
    words = ", ".join(_words(mark) for mark in marks) or "like the others"
    return Segment(number=number, rows=count, share=count / len(members), words=words, marks=marks, left=left)


def _says_the_same(one: _Attribute, other: _Attribute) -> bool:
    """Whether two attributes are of one column, or go together so closely that one of them is enough."""
    together = (one.scaled * other.scaled).mean() / (one.scaled.std() * other.scaled.std())
    return one.name == other.name or abs(together) > 0.9


def _words(mark: Mark) -> str:
    if mark.level is not None:
        return f"{mark.attribute} {mark.level}: {mark.here:.0%} (of all {mark.everywhere:.0%})"
    return f"{mark.attribute} {mark.here:.4g} (of all {mark.everywhere:.4g})"
