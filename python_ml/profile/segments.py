"""Natural segments: groups that attributes form without the outcome, and how many of each churned.

k-means on standardised attributes; the number of groups by the silhouette (Rousseeuw, 1987). Groups count only when
they are clearer than those of the same columns shuffled each for itself, in which no two columns belong together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_ml.profile.associations import RECURRING, Labelled
from python_ml.profile.schema import Distinction, IdentifierFacts, OutcomeColumn, Segment, Segments, TableProfile
from python_ml.profile.statistics import rate
from python_ml.profile.tables import Table, kind_of
from python_ml.warehouse import quote

if TYPE_CHECKING:
    import numpy as np

FEWEST_ROWS, MOST_ROWS = 200, 20_000
FITTED_ROWS, JUDGED_ROWS = 5_000, 1_500  # of which groups are made, and of which silhouettes are taken
MOST_COLUMNS, MOST_LEVELS, MOST_SEGMENTS = 25, 8, 6
CLEAR, CLEARER = 0.2, 0.05  # silhouette of groups, and how far it must lie above that of shuffled columns
SMALLEST = 0.02  # share of the rows
MARKS = 4  # attributes that describe a segment
_NUMBERS = ("money", "continuous", "discrete", "duration", "ordinal", "cyclic")
_CLASSES = ("nominal", "ordinal", "binary", "cyclic")


@dataclass(frozen=True)
class _Attribute:
    """A column of the matrix: values as they are, and as distances are taken (mean 0, spread 1)."""

    name: str
    level: str
    raw: np.ndarray
    scaled: np.ndarray


def find_segments(
    table: Table, profile: TableProfile, outcome: OutcomeColumn | None = None, labelled: Labelled | None = None
) -> Segments | None:
    """Look for segments among the rows or, in tables of events, among their customers.

    Parameters
    ----------
    outcome : OutcomeColumn, optional
        Left out, as are columns that know it.
    labelled : Labelled, optional
        The rows whose outcome is known.

    Returns
    -------
    Segments or None
        None for too few rows or attributes, and for events of nobody known.
    """
    excluded = {c.column.name for c in profile.columns if c.column.semantic == "target_candidate"}
    if outcome is not None:
        excluded |= {outcome.column} | {a.column for a in outcome.associations if a.leak == "critical"}
    usable = [c.column for c in profile.columns if c.column.name not in excluded and c.column.fill_share >= 0.5]
    person = next((f for f in profile.identifiers if f.person >= 2), None)
    is_recurring = person is not None and person.rows_per_value >= RECURRING
    if is_recurring and profile.time is not None:
        attributes, labels = _read(table, *_of_customers(table, profile, usable, person), None)
    elif is_recurring or (person is None and profile.time is not None):
        return None
    else:
        numbers = {c.name: quote(c.name) for c in usable if c.semantic in _NUMBERS and _is_number(c) and c.distinct > 2}
        classes = {
            c.name: f"left(cast({quote(c.name)} as varchar), 60)"
            for c in usable
            if c.semantic in _CLASSES and c.name not in numbers and c.distinct <= MOST_LEVELS
        }
        relation = labelled.relation if labelled is not None else table.sample
        attributes, labels = _read(table, relation, numbers, classes, "churned_" if labelled is not None else None)
    if len({a.name for a in attributes}) < 2 or len(attributes[0].raw) < FEWEST_ROWS:
        return None
    return _segments(table.name, "customers" if is_recurring else "rows", attributes, labels)


def _is_number(column) -> bool:
    return kind_of(column) in ("number", "duration")


def _of_customers(
    table: Table, profile: TableProfile, columns: list, person: IdentifierFacts
) -> tuple[str, dict[str, str], dict[str, str]]:
    """Customers by how long they are known, how often and how lately they came, and what their events are like."""
    means = [c for c in columns if c.semantic in ("money", "continuous", "discrete", "duration") and _is_number(c)][:8]
    day, key = f"cast({quote(profile.time.column)} as date)", quote(person.column)
    span = profile.profile_of(profile.time.column).span
    wanted = "".join(f", avg(cast({quote(c.name)} as double)) as m{place}" for place, c in enumerate(means))
    relation = quote(f"customers_{table.name}")
    table.connection.execute(f"""
        create or replace temp table {relation} as
        select *, events / tenure * 30 as intensity from (
            select
                date_diff('day', min({day}), date '{span.end.date()}') + 1 as tenure, count(*) as events,
                date_diff('day', max({day}), date '{span.end.date()}') as pause {wanted}
            from {table.followed(person.column, person.distinct)}
            where {key} is not null
                and {quote(profile.time.column)} between timestamp '{span.first}' and timestamp '{span.end}'
            group by {key} order by hash({key}), {key}
        )
    """)
    numbers = {"days known": "tenure", "events": "events", "events in 30 days": "intensity"}
    numbers |= {"days since the last event": "pause"} | {f"mean {c.name}": f"m{n}" for n, c in enumerate(means)}
    return relation, numbers, {}


def _read(
    table: Table, relation: str, numbers: dict[str, str], classes: dict[str, str], label: str | None
) -> tuple[list[_Attribute], np.ndarray | None]:
    """Attributes of at most :data:`MOST_ROWS` rows, evenly spread over the relation."""
    import numpy as np

    chosen = [(n, f"cast({sql} as double)") for n, sql in numbers.items()] + list(classes.items())
    chosen = chosen[:MOST_COLUMNS]
    ((total,),) = table.rows_of(f"select count(*) from {relation} as r")
    if not chosen or total < FEWEST_ROWS:
        return [], None
    wanted = ", ".join(f"{sql} as a{place}" for place, (_, sql) in enumerate(chosen))
    wanted += f", cast({label} as double) as label" if label else ""
    read = table.connection.execute(f"""
        select * exclude (place) from (select {wanted}, row_number() over () - 1 as place from {relation} as r)
        where place % {max(math.ceil(total / MOST_ROWS), 1)} = 0 order by place
    """).fetchnumpy()
    attributes = []
    for place, (name, _) in enumerate(chosen):
        column = np.ma.asarray(read[f"a{place}"])
        attributes += _of_number(name, column) if name in numbers else _of_classes(name, column)
    labels = np.ma.filled(np.ma.asarray(read["label"]).astype(float), np.nan) if label else None
    return attributes, labels


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
    return [_Attribute(name, "", raw, (clipped - clipped.mean()) / spread)] if spread > 0 else []


def _of_classes(name: str, column: np.ma.MaskedArray) -> list[_Attribute]:
    import numpy as np

    values = np.where(np.ma.getmaskarray(column), None, column.data.astype(object))
    levels = sorted({value for value in values if value is not None})
    if not 2 <= len(levels) <= MOST_LEVELS:
        return []
    kept = levels[1:] if len(levels) == 2 else levels
    # Together, the levels of a column weigh about as much as a number.
    weight = max(math.sqrt(len(kept)) * 0.5, 0.5)
    raws = [(values == level).astype(float) for level in kept]
    return [_Attribute(name, level, raw, (raw - raw.mean()) / weight) for level, raw in zip(kept, raws, strict=True)]


def _segments(table: str, of: str, attributes: list[_Attribute], labels: np.ndarray | None) -> Segments:
    import numpy as np

    matrix = np.column_stack([a.scaled for a in attributes])
    numbers, clear, shuffled = _groups(matrix)
    sizes = np.bincount(numbers)
    supported = bool(clear >= CLEAR and clear >= shuffled + CLEARER and sizes.min() >= SMALLEST * len(matrix))
    figures = f"silhouette {clear:.2f}, against {shuffled:.2f} of the same columns shuffled"
    common = (table, of, len(matrix), tuple(dict.fromkeys(a.name for a in attributes)), clear, shuffled, supported)
    if not supported:
        return Segments(*common, f"no natural segments ({figures}): {of} differ by degrees")
    order = np.argsort(-sizes, kind="stable")
    segments = tuple(
        _segment(place, numbers == group, attributes, labels) for place, group in enumerate(order, start=1)
    )
    text = f"{len(segments)} natural segments ({figures})"
    rates = [s.churned.rate for s in segments if s.churned is not None]
    if len(rates) > 1:
        low, high = min(rates, key=lambda r: r.value), max(rates, key=lambda r: r.value)
        differ = "differ in" if high.low > low.high else "do not differ, beyond chance, in"
        text += f"; they {differ} the churn rate ({low.value:.1%} to {high.value:.1%})"
    return Segments(*common, text, segments)


def _groups(matrix: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Number of each row's group, the silhouette, and that of as many groups in shuffled columns."""
    import numpy as np
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score
    from threadpoolctl import threadpool_limits

    def fit(rows: np.ndarray, count: int) -> tuple[KMeans, float]:
        model = KMeans(count, n_init=3, random_state=0).fit(rows)
        groups = model.labels_[:JUDGED_ROWS]
        clear = silhouette_score(rows[:JUDGED_ROWS], groups) if len(set(groups)) > 1 else 0.0
        return model, round(float(clear), 4)

    fitted = matrix[np.random.default_rng(0).permutation(len(matrix))[:FITTED_ROWS]]
    draw = np.random.default_rng(1)
    shuffled = np.column_stack([draw.permutation(fitted[:, place]) for place in range(fitted.shape[1])])
    possible = min(MOST_SEGMENTS, len(np.unique(fitted, axis=0)))
    # A few thousand rows are too few to be shared among threads.
    with threadpool_limits(1):
        model, clear = max((fit(fitted, count) for count in range(2, possible + 1)), key=lambda fitting: fitting[1])
        return model.predict(matrix), clear, fit(shuffled, model.n_clusters)[1]


def _segment(number: int, members: np.ndarray, attributes: list[_Attribute], labels: np.ndarray | None) -> Segment:
    import numpy as np

    ranked = sorted(attributes, key=lambda a: (-abs(a.scaled[members].mean()), a.name, a.level))
    marks: list[Distinction] = []
    chosen: list[_Attribute] = []
    for attribute in ranked:
        if len(marks) == MARKS or any(_is_same(attribute, other) for other in chosen):
            continue
        average = np.mean if attribute.level else np.nanmedian
        here, overall = float(average(attribute.raw[members])), float(average(attribute.raw))
        if math.isfinite(here) and here != overall:
            chosen.append(attribute)
            marks.append(Distinction(attribute.name, attribute.level, here, overall))
    churned = None
    if labels is not None:
        known = labels[members]
        known = known[~np.isnan(known)]
        churned = rate(str(number), int(known.sum()), len(known)) if len(known) else None
    count = int(members.sum())
    text = ", ".join(_text(mark) for mark in marks) or "like the others"
    return Segment(number, count, count / len(members), text, tuple(marks), churned)


def _is_same(one: _Attribute, other: _Attribute) -> bool:
    """Whether two attributes are of one column, or go together so closely that one of them is enough."""
    together = (one.scaled * other.scaled).mean() / (one.scaled.std() * other.scaled.std())
    return one.name == other.name or abs(together) > 0.9


def _text(mark: Distinction) -> str:
    if mark.value:
        return f"{mark.attribute} {mark.value}: {mark.in_segment:.0%} (overall {mark.overall:.0%})"
    return f"{mark.attribute} {mark.in_segment:.4g} (overall {mark.overall:.4g})"
