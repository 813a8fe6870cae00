"""Who the customer is, decided on the key graph."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from python_ml.errors import UserError
from python_ml.ingest import vocabulary
from python_ml.ingest.schema import ROW_NUMBER
from python_ml.ingest.tables import unknown_column
from python_ml.plan.graph import KeyGraph, Node, person_name, says_other_thing
from python_ml.plan.schema import Options
from python_ml.profile.schema import IdentifierFacts, Profile, TableProfile

FEWEST = 20  # different values without which values alone do not make a customer
NOBODY = vocabulary.terms("nobody")
OUTSIZED = 5  # times the share of the next value from which a code for nobody stands out
LEAST_SHARE = 0.02


@dataclass(frozen=True)
class Customer:
    """The identifier of the customers.

    Attributes
    ----------
    raw_name : str
        Name in the file that names it best.
    columns : dict of str to str
        Safe column by source, for the sources that have it.
    further : dict of str to tuple of str
        Further columns of a composite key, by source.
    evidence : tuple of str
    reviews : tuple of str
    nobody : dict of str to tuple of (str, int)
        Codes for nobody with their rows, by source.
    """

    raw_name: str
    columns: dict[str, str]
    further: dict[str, tuple[str, ...]] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()
    reviews: tuple[str, ...] = ()
    nobody: dict[str, tuple[tuple[str, int], ...]] = field(default_factory=dict)


def choose_customer(graph: KeyGraph, options: Options, labels: str) -> Customer:
    """Decide who the customer is.

    In this order: the columns that the user named; the entity of the labels, or of the table with the outcome;
    otherwise evidence.

    Parameters
    ----------
    graph : KeyGraph
    options : Options
    labels : str
        Source with the outcome; empty for none.

    Raises
    ------
    UserError
        When nothing, or not only one thing, can be the customer.
    """
    if options.entity:
        return _named(graph, options)
    if labels:
        node, reason = _of_labels(graph, options, labels)
        part = graph.identity(node)
        if options.labels and {table for table, _ in part} == {labels} and len(graph.tables) > 1:
            # the labels call the customer otherwise than the events
            events = _by_evidence(graph)
            return replace(events, columns={**events.columns, labels: node[1]}, evidence=(reason, *events.evidence))
        return _customer(graph, part, node, (reason,))
    return _by_evidence(graph)


def _by_evidence(graph: KeyGraph) -> Customer:
    """The identity whose name and values say a customer."""
    profile = graph.profile
    scored = [(score, part) for part in graph.identities if (score := _score(graph, part)) is not None]
    scored.sort(key=lambda entry: (entry[0], sorted(entry[1])), reverse=True)
    named = [part for score, part in scored if score[0] >= 2]
    if named:
        part = named[0]
        node = _best_node(profile, part)
        reviews = [
            f"as many files reach `{_raw(profile, _best_node(profile, other))}`: add --entity "
            f"{_raw(profile, _best_node(profile, other))} if those are the customers"
            for score, other in scored[1:]
            if score[0] >= 2 and score[1:3] == scored[0][0][1:3] and len(graph.tables) > 1
        ]
        return _customer(graph, part, node, ("its name suggests a customer",), tuple(reviews[:1]))
    return _by_values(graph, [part for _, part in scored])


def _raw(profile: Profile, node: Node) -> str:
    return profile.table(node[0]).column(node[1]).raw_name


def _named(graph: KeyGraph, options: Options) -> Customer:
    """The columns of ``--entity``."""
    profile, first = graph.profile, options.entity[0]
    nodes = [(t.name, c.name) for t in profile.tables if (c := t.table.column(first)) is not None]
    if not nodes:
        raise unknown_column(first, [t.table for t in profile.tables], "--entity")
    part = frozenset(n for node in nodes for n in (*graph.identity(node), node))
    further: dict[str, tuple[str, ...]] = {}
    for table in profile.tables:
        columns = [table.table.column(name) for name in options.entity[1:]]
        if columns and all(columns):
            further[table.name] = tuple(c.name for c in columns)
    if len(options.entity) > 1:
        part = frozenset(n for n in part if n[0] in further)
        if not part:
            raise UserError(
                f"No file has all of the columns {', '.join(options.entity)}.",
                where="--entity",
                hint="name columns of one file",
            )
    return _customer(graph, part, nodes[0], ("named with --entity",), further=further)


def _of_labels(graph: KeyGraph, options: Options, labels: str) -> tuple[Node, str]:
    """The column of the customer in the file of labels, or in the table with the outcome."""
    table = graph.profile.table(labels)
    named = dict(text.partition("=")[::2] for text in options.label_columns)
    if wanted := named.get("entity"):
        column = table.table.column(wanted.strip())
        if column is None:
            raise UserError(
                f"The labels have no column `{wanted.strip()}`.",
                where="--label-column",
                hint=f"choose one of {table.table.column_names}",
            )
        return (labels, column.name), "named with --label-column"
    taken = {c.name for name in named.values() if (c := table.table.column(name.strip())) is not None}
    outcome = next((o.column for o in graph.profile.outcomes if o.table == labels and o.is_given), "")
    nodes = [(labels, i.column) for i in table.identifiers if i.column not in taken | {outcome}]
    keys = {k.columns[0] for k in table.keys if len(k.columns) == 1}
    time = table.time.column if table.time else ""

    def weight(node: Node) -> tuple:
        others = {t for t, _ in graph.identity(node)} - {labels}
        return (
            person_name(graph.profile, node) >= 2,
            len(others),
            not says_other_thing(graph.profile, node),
            (person_name(graph.profile, node)),
        )

    if not options.labels:
        # one row per customer: the customer is a key of the table
        own = [n for n in nodes if n[1] in keys or _is_nearly_key(table, n[1])]
        if not own:
            own = [(labels, name) for name in sorted(keys - {outcome, time})]
        if own:
            best = max(own, key=weight)
            named_like = person_name(graph.profile, best) > 0
            return (
                best,
                "its name suggests an identifier" if named_like else "the only column that differs in every row",
            )
        if table.table.has_row_number:
            return (labels, ROW_NUMBER), "the file has no key: its rows are numbered"
        repeated = [n for n in nodes if person_name(graph.profile, n) >= 2]
        if repeated:
            facts = table.identifier(repeated[0][1])
            raise UserError(
                f"`{_raw(graph.profile, repeated[0])}` has {facts.rows_per_value:.1f} rows for each of its values: a "
                "table with an outcome has one row per customer.",
                where=f"{table.table.path}, column {_raw(graph.profile, repeated[0])}",
                hint="bring one row per customer, name another column with --entity, or leave out --outcome if the "
                "rows are dated events",
            )
        return (labels, ROW_NUMBER), "the file has no key: its rows are numbered"
    nodes = [n for n in nodes if n[1] != time]
    likely = [n for n in nodes if weight(n)[0] or weight(n)[1]]
    if not likely:
        raise UserError(
            "No column of the labels says which customer.",
            where=str(table.table.path),
            hint=f"name it as in the events, or add --label-column entity=COLUMN; columns: {table.table.column_names}",
        )
    return max(likely, key=weight), "the entity that the labels name"


def _is_nearly_key(table: TableProfile, column: str) -> bool:
    facts = table.identifier(column)
    return facts is not None and facts.rows_per_value < 1.05 and facts.rows > 0.8 * table.rows


def _score(graph: KeyGraph, part: frozenset[Node]) -> tuple | None:
    """Evidence that an identity is the customer: name, rows that reach it, how its values come back."""
    profile = graph.profile
    if all(says_other_thing(profile, node) for node in part):
        return None
    person = max(person_name(profile, node) for node in part)
    tables = {table for table, _ in part}
    facts = [f for node in part if (f := profile.table(node[0]).identifier(node[1])) is not None]
    if not facts or max(f.distinct for f in facts) < 2:
        return None
    reached = graph.reaching(tables)
    dated = sum(t.rows for t in graph.tables if t.name in reached and _is_dated(graph, t.name))
    direct = sum(t.rows for t in graph.tables if t.name in tables and t.time is not None)
    total = sum(t.rows for t in graph.tables) or 1
    repeats = max(f.rows_per_value for f in facts)
    # A per-order id is no customer where another identifier comes back.
    comes_back = repeats > 1.02 or any((f.several_days or 0) > 0.02 for f in facts)
    recurrence = max((f.several_days or 0.0) for f in facts)
    strength = 2.0 if person >= 2 else 0.0
    share = round(dated / total, 2), round(direct / total, 1)
    return strength, share[0], comes_back, share[1], person, len(reached), round(recurrence, 2)


def _is_dated(graph: KeyGraph, name: str) -> bool:
    table = graph.profile.table(name)
    return table.time is not None or any(graph.profile.table(r.parent).time for r in graph.parents(name))


def _by_values(graph: KeyGraph, parts: list[frozenset[Node]]) -> Customer:
    """Without a telling name: values that come back on several days, and only one way to group them."""
    profile = graph.profile
    possible: list[tuple[Node, IdentifierFacts]] = []
    for part in parts:
        for node in sorted(part):
            table = profile.table(node[0])
            facts = table.identifier(node[1])
            if facts is None or table.time is None or not _is_coded(table, node[1]) or says_other_thing(profile, node):
                continue
            if facts.distinct >= FEWEST and facts.rows_per_value >= 1.2 and (facts.several_days or 0) >= 0.2:
                possible.append((node, facts))
                break
    totals = [t for t in profile.tables if t.totals]
    if totals:
        raise _no_customer(profile, totals[0].totals.reason)
    if not possible:
        raise _no_customer(profile)
    node, facts = possible[0]
    others = [
        other
        for other, its in possible[1:]
        if not (
            other[0] == node[0]
            and profile.table(node[0]).fixed.get(node[1], {}).get(other[1], 0.0) >= 0.999
            and its.distinct == facts.distinct
        )
    ]
    reason = "no name suggests a customer, but only its values come back on several days"
    review = f"the customer was taken to be `{_raw(profile, node)}` from its values alone"
    if others:
        table = profile.table(node[0])
        has_header = any(not c.column.raw_name.startswith("column_") for c in table.columns)
        if has_header or any(other[0] != node[0] for other in others):
            raise _no_customer(profile)
        # Without any name, the place decides: the customer comes first, then what it is about.
        place = {c.column.name: n for n, c in enumerate(table.columns)}
        node, *others = sorted((n for n, _ in possible), key=lambda n: place[n[1]])
        reason = "without a header, the first column whose values come back on several days"
        names = ", ".join(f"`{_raw(profile, other)}`" for other in others)
        review = f"the customer was taken to be `{_raw(profile, node)}`; name another column with --entity ({names})"
    return _customer(graph, graph.identity(node), node, (reason,), (review,))


def _is_coded(table: TableProfile, name: str) -> bool:
    """Whether values look like codes: an identifier's name, or text without blanks."""
    column = table.column(name)
    if vocabulary.has_word(column.raw_name, vocabulary.IDENTIFIERS) or column.padded:
        return True
    is_nameless = column.raw_name.startswith("column_") or not column.raw_name.isascii()
    if is_nameless and column.kind == "text":
        return column.spaced < 0.05 and all(any(c.isdigit() for c in value) for value, _ in column.values)
    return (column.kind == "text" and column.spaced < 0.05 and column.distinct > 100) or is_nameless


def _no_customer(profile: Profile, reason: str = "") -> UserError:
    """Why no table has a customer, beginning with the one that is nearest to a table of events."""
    table = next((t for t in profile.tables if t.time is not None), profile.tables[0])
    path = str(table.table.path)
    possible = [_raw(profile, (table.name, i.column)) for i in table.identifiers]
    possible = possible or [c.column.raw_name for c in table.columns]
    what = "No column identifies the customers."
    if reason:
        what = f"No column identifies the customers: {reason}."
    return UserError(
        what, where=path, hint="name it with --entity; columns that could be one: " + ", ".join(possible[:30])
    )


def _customer(
    graph: KeyGraph,
    part: frozenset[Node],
    node: Node,
    evidence: tuple[str, ...],
    reviews: tuple[str, ...] = (),
    further: dict[str, tuple[str, ...]] | None = None,
) -> Customer:
    """Describe the chosen identity, one column a table."""
    profile = graph.profile
    columns: dict[str, str] = {}
    for table, column in sorted(part | {node}):
        if column == ROW_NUMBER or table not in columns or _prefers(profile, (table, column), columns[table], node):
            columns[table] = column
    nobody = {}
    for table, column in columns.items():
        if column == ROW_NUMBER or further:
            continue
        if codes := _nobody(profile.table(table), column):
            nobody[table] = codes
    facts = [f for t, c in columns.items() if c != ROW_NUMBER and (f := profile.table(t).identifier(c)) is not None]
    if facts:
        widest = max(facts, key=lambda f: f.distinct)
        evidence = (*evidence, f"{widest.distinct:,} different values")
        recurring = max((f.several_days or 0 for f in facts), default=0)
        if recurring:
            evidence = (*evidence, f"{recurring:.0%} of them on more than one day")
    if len(graph.tables) > 1:
        reached = graph.reaching(columns)
        evidence = (*evidence, f"{len(reached)} of {len(profile.tables)} files reach it")
    raw = ROW_NUMBER if node[1] == ROW_NUMBER else _raw(profile, node)
    if node[1] != ROW_NUMBER and not vocabulary.subject(raw):
        # `users.id` is best named by a column that points at it
        better = [_raw(profile, n) for n in sorted(part) if vocabulary.subject(_raw(profile, n))]
        raw = better[0] if better else raw
    if further:
        table = profile.table(node[0])
        raw = " ".join([raw, *(table.column(name).raw_name for name in further[node[0]])])
    return Customer(raw, columns, further or {}, evidence, reviews, nobody)


def _prefers(profile: Profile, node: Node, held: str, chosen: Node) -> bool:
    """Whether of two columns of a table the further one is the customer's."""
    if (node[0], held) == chosen:
        return False
    return node == chosen or person_name(profile, node) > person_name(profile, (node[0], held))


def _nobody(table: TableProfile, column: str) -> tuple[tuple[str, int], ...]:
    """Values that stand for nobody and hold an outsized share of the rows."""
    facts = table.identifier(column)
    if facts is None or not facts.top:
        return ()
    known = [v for v in facts.top if v.value.strip().lower() in NOBODY]
    others = max((v.rows for v in facts.top if v not in known), default=0)
    return tuple(
        (v.value, v.rows)
        for v in known
        if v.rows >= LEAST_SHARE * facts.rows and v.rows >= OUTSIZED * max(others, 1) / 2
    )


def _best_node(profile: Profile, part: frozenset[Node]) -> Node:
    """The column that names an identity best."""
    return max(sorted(part), key=lambda n: (person_name(profile, n), profile.table(n[0]).rows))
