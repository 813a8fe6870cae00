"""What part each table plays: whose rows it holds, when they happened, and what it gets from other tables."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from python_ml.errors import UserError
from python_ml.ingest import vocabulary
from python_ml.plan.customer import Customer, choose_customer
from python_ml.plan.graph import KeyGraph, parse_excluded
from python_ml.plan.schema import Options, Use
from python_ml.profile.schema import Profile, Relation, TableProfile

ONE_ROW = 1.05  # rows per customer below which a table has one row per customer
MOST_LOOKUP_VALUES = 50  # different values up to which a text of a lookup is a category
# Undated rows of these kinds are written later than what they point at, so they must not get its time.
_LATER = vocabulary.terms("written_later")
_HISTORY = vocabulary.terms("histories")


@dataclass(frozen=True)
class Step:
    """A link to make: which parts a row gets from the row that it points at.

    Attributes
    ----------
    relation : Relation
    parts : tuple of str
        ``entity`` and ``time``, as needed; empty for a link that only enriches.
    values : tuple of (str, str)
        Table and safe column of the values that are brought; the table is the parent, or one that the parent points
        at.
    """

    relation: Relation
    parts: tuple[str, ...] = ()
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class TableRole:
    """The part of one table; see :class:`python_ml.plan.schema.SourcePlan` for the uses."""

    source: str
    use: Use
    reason: str
    flag: str = ""
    entity: str = ""
    time: str = ""
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Roles:
    """The parts of all tables.

    Attributes
    ----------
    customer : Customer
    tables : dict of str to TableRole
    activity : str
        Source whose events say who is active; empty without one.
    labels : str
        Source with the outcome: the file of labels, or the table with the outcome column; empty without one.
    reviews : tuple of str
    excluded : frozenset of str
    """

    customer: Customer
    tables: dict[str, TableRole]
    activity: str = ""
    labels: str = ""
    reviews: tuple[str, ...] = ()
    excluded: frozenset[str] = field(default_factory=frozenset)

    def steps_first(self) -> list[str]:
        """Tables with steps in an order in which each comes after those that it gets something from."""
        import networkx

        graph = networkx.DiGraph()
        graph.add_nodes_from(self.tables)
        graph.add_edges_from((s.relation.parent, t.source) for t in self.tables.values() for s in t.steps)
        return [name for name in networkx.lexicographical_topological_sort(graph) if self.tables[name].steps]


def decide_roles(profile: Profile, options: Options) -> Roles:
    """Decide whose rows each table holds, when they happened, and what becomes of it.

    Raises
    ------
    UserError
        When no table has both a customer and a time or an outcome, or an option names something that does not exist.
    """
    excluded = parse_excluded(profile, options.exclude)
    graph = KeyGraph(profile, excluded)
    outcome = next((o for o in profile.outcomes if o.is_given), None)
    labels = options.labels or (outcome.table if outcome else "")
    customer = choose_customer(graph, options, labels)
    entity_steps = _entity_steps(graph, customer)
    time_steps = _time_steps(graph, customer, entity_steps)
    roles: dict[str, TableRole] = {}
    for table in profile.tables:
        roles[table.name] = _role(graph, customer, table, labels, options, entity_steps, time_steps)
    roles = _with_history(profile, roles)
    activity = _activity(profile, roles, options)
    roles = _with_values(graph, roles)
    reviews = list(customer.reviews)
    for relation in {s.relation for role in roles.values() for s in role.steps if s.parts}:
        reviews += _relation_review(profile, relation)
    return Roles(customer, roles, activity, labels, tuple(dict.fromkeys(reviews)), frozenset(excluded))


def is_one_row_per_customer(table: TableProfile, entity: str, further: tuple[str, ...] = ()) -> bool:
    """Whether (nearly) every customer has a single row: attributes rather than events."""
    if further:
        return any(set(key.columns) <= {entity, *further} for key in table.keys)
    facts = table.identifier(entity)
    if facts is not None:
        return facts.rows_per_value < ONE_ROW
    return any(key.columns == (entity,) for key in table.keys)


def reverse(relation: Relation) -> Relation:
    """A 1:1 relation seen from its other side."""
    return replace(
        relation,
        child=relation.parent,
        child_columns=relation.parent_columns,
        parent=relation.child,
        parent_columns=relation.child_columns,
        values=relation.keys,
        values_matched=relation.keys_used,
        rows=relation.keys,
        rows_matched=relation.keys_used,
        keys=relation.values,
        keys_used=relation.values_matched,
    )


def _entity_steps(graph: KeyGraph, customer: Customer) -> dict[str, Relation]:
    """For every table without the customer's column, the relation to the nearest table that knows the customer."""
    distance = dict.fromkeys(customer.columns, 0)
    both_ways = [*graph.relations, *(reverse(r) for r in graph.relations if r.cardinality == "1:1")]
    steps: dict[str, Relation] = {}
    while possible := [r for r in both_ways if r.parent in distance and r.child not in distance]:
        best = min(
            possible,
            key=lambda r: (not r.is_given, distance[r.parent], -r.name_score, -r.inclusion, r.parent, r.child),
        )
        steps[best.child] = best
        distance[best.child] = distance[best.parent] + 1
    return steps


def _time_steps(graph: KeyGraph, customer: Customer, entity_steps: dict[str, Relation]) -> dict[str, Relation]:
    """For every table without an event time, the relation to the dated table whose rows it belongs to."""
    profile = graph.profile
    # A deadline is only taken for the event time where no parent has a better one.
    dated = {t.name for t in graph.tables if t.time is not None and not t.time.is_deadline}
    steps: dict[str, Relation] = {}
    knows_customer = {*customer.columns, *entity_steps}

    def fits(relation: Relation) -> bool:
        if relation.parent not in dated or relation.child in dated or relation.child not in knows_customer:
            return False
        if _leads_to(relation.parent, relation.child, entity_steps, steps):
            return False
        if relation.is_given:
            return True
        own = customer.columns.get(relation.parent)
        parent = profile.table(relation.parent)
        is_customers = own is not None and is_one_row_per_customer(parent, own)
        is_later = vocabulary.has_word(relation.child, _LATER) or vocabulary.has_word(
            relation.child, vocabulary.OUTCOMES
        )
        # one row per customer is no line of an event
        child_own = customer.columns.get(relation.child)
        is_person = child_own is not None and is_one_row_per_customer(profile.table(relation.child), child_own)
        return not (is_customers or is_later or is_person)

    while possible := [r for r in graph.relations if fits(r)]:
        best = min(
            possible,
            key=lambda r: (
                not r.is_given,
                entity_steps.get(r.child) != r,
                -profile.table(r.parent).rows,
                r.parent,
                r.child,
            ),
        )
        steps[best.child] = best
        dated.add(best.child)
    return steps


def _leads_to(source: str, goal: str, *steps: dict[str, Relation]) -> bool:
    """Whether rows of a table get something from another one, directly or through more tables."""
    following = {made[source].parent for made in steps if source in made}
    return goal in following or any(_leads_to(parent, goal, *steps) for parent in following)


def _role(
    graph: KeyGraph,
    customer: Customer,
    table: TableProfile,
    labels: str,
    options: Options,
    entity_steps: dict[str, Relation],
    time_steps: dict[str, Relation],
) -> TableRole:
    """The part of a table, before lookups and histories are seen."""
    name, entity = table.name, customer.columns.get(table.name, "")
    time = table.time.column if table.time else ""
    if table.time is not None and table.time.is_deadline and name in time_steps:
        time = ""
    if name in graph.excluded:
        return TableRole(name, "stored", "it is excluded with --exclude", "--exclude")
    if name == labels:
        what = "supplied labels" if options.labels else "the table with the outcome"
        return TableRole(name, "labels", what, "", entity, time if options.labels else "")
    steps = _merged(entity_steps.get(name) if not entity else None, time_steps.get(name) if not time else None)
    through = " and ".join(dict.fromkeys(s.relation.parent for s in steps))
    has_entity = bool(entity) or name in entity_steps
    if not has_entity:
        reason = f"it has no column of customers such as {customer.raw_name}, and no key that leads to one"
        return TableRole(name, "stored", reason, "--relate child.column=parent.column", "", time)
    one_row = bool(entity) and is_one_row_per_customer(table, entity, customer.further.get(name, ()))
    if one_row and not (table.time and table.time.ended):
        reason = "one row per customer: attributes"
        return TableRole(name, "attributes", reason, "", entity, time)
    if not time and name not in time_steps:
        reason = "it has no event time: an undated row may describe the future"
        return TableRole(name, "stored", reason, "--relate child.column=parent.column", entity, "", steps)
    reason = f"dated events of customers, through {through}" if through else "dated events of customers"
    return TableRole(name, "events", reason, "", entity, time, steps)


def _merged(entity: Relation | None, time: Relation | None) -> tuple[Step, ...]:
    if entity is not None and entity == time:
        return (Step(entity, ("entity", "time")),)
    return tuple(Step(r, (part,)) for part, r in (("entity", entity), ("time", time)) if r is not None)


def _with_history(profile: Profile, roles: dict[str, TableRole]) -> dict[str, TableRole]:
    """Change logs of attributes that the customers' own table has too are joined as of T rather than counted."""
    own = {
        c.column.name
        for t in profile.tables
        if roles[t.name].use in ("attributes", "labels")
        for c in t.columns
        if c.column.name != roles[t.name].entity
    }
    for table in profile.tables:
        role = roles[table.name]
        if role.use != "events" or role.steps or not vocabulary.has_word(table.name, _HISTORY):
            continue
        values = [c.column.name for c in table.columns if c.column.kind not in ("time", "empty", "constant")]
        shared = [name for name in values if name in own and name != role.entity]
        if len(shared) >= 2 or (shared and len(shared) >= 0.5 * (len(values) - 2)):
            reason = "a history of the customers' attributes: joined as of the feature time"
            roles[table.name] = replace(role, use="history", reason=reason)
    return roles


def _activity(profile: Profile, roles: dict[str, TableRole], options: Options) -> str:
    """The source whose events say who is active."""
    events = [t for t in profile.tables if roles[t.name].use == "events"]
    if options.activity is not None:
        from python_ml.names import identifier

        chosen = [t for t in events if options.activity in (t.name, t.table.path.name)]
        chosen = chosen or [t for t in events if identifier(options.activity) == t.name]
        if not chosen:
            raise UserError(
                f"`{options.activity}` is not a table of events.",
                where="--activity",
                hint="choose one of " + (", ".join(t.name for t in events) or "none of the files is one"),
            )
        return chosen[0].name
    if not events:
        return ""

    def weight(table: TableProfile) -> tuple[bool, bool, int, int]:
        role = roles[table.name]
        # A record of departures is an outcome, however many rows it has. Orders are as active as their lines.
        is_outcome = vocabulary.has_word(table.name, vocabulary.OUTCOMES)
        facts = table.identifier(role.entity) if role.entity else None
        days = (facts.days_per_value or 0) * facts.distinct if facts else table.rows / 4
        is_span = bool(table.time and table.time.ended)
        return not is_outcome, not is_span, round(days), -len(role.steps)

    return max(events, key=weight).name


def _with_values(graph: KeyGraph, roles: dict[str, TableRole]) -> dict[str, TableRole]:
    """Let the rows of events be enriched by the lookups that they point at, directly or through one more table."""
    profile = graph.profile
    own = {name for name, role in roles.items() if role.use in ("attributes", "labels", "history")}
    lookups: set[str] = set()

    def is_lookup(name: str) -> bool:
        role = roles[name]
        undated = profile.table(name).time is None and not any("time" in s.parts for s in role.steps)
        return name not in own and role.use == "stored" and undated and name not in graph.excluded

    def values_of(name: str) -> tuple[tuple[str, str], ...]:
        table = profile.table(name)
        keys = {column for r in graph.relations if r.child == name for column in r.child_columns}
        keys |= {column for r in graph.relations if r.parent == name for column in r.parent_columns}
        return tuple((name, c.column.name) for c in table.columns if _enriches(c.column, keys))

    def enriching(name: str, depth: int) -> list[Step]:
        steps = []
        for relation in graph.parents(name):
            if is_lookup(relation.parent):
                values = values_of(relation.parent)
                if depth > 1:
                    further = (v for s in enriching(relation.parent, depth - 1) for v in s.values)
                    values += tuple(v for v in further if not any(_repeats(profile, v, own) for own in values))
            elif depth > 1 and roles[relation.parent].use not in ("labels", "events") and relation.parent not in own:
                # A dated parent may have been overwritten: only what it points at itself is brought. Rows of events
                # have features of their own: what describes an order does not describe each of its items once more.
                values = tuple(v for s in enriching(relation.parent, depth - 1) for v in s.values)
            else:
                continue
            if values:
                lookups.update(table for table, _ in values)
                steps.append(Step(relation, (), values))
        return steps

    def with_steps(role: TableRole, further: list[Step]) -> TableRole:
        steps = {s.relation: s for s in role.steps}
        for step in further:
            before = steps.get(step.relation)
            steps[step.relation] = replace(before, values=step.values) if before else step
        return replace(role, steps=tuple(steps.values()))

    enriched = dict(roles)
    on_the_way: set[str] = set()
    for name, role in roles.items():
        if role.use == "events":
            steps = enriching(name, 2)
            enriched[name] = with_steps(role, steps)
            on_the_way |= {s.relation.parent for s in steps if any(t != s.relation.parent for t, _ in s.values)}
    for name in on_the_way:
        # it brings the values of what it points at
        if enriched[name].use != "events":
            enriched[name] = with_steps(enriched[name], enriching(name, 1))
    for name in lookups:
        role = enriched[name]
        enriched[name] = replace(
            role, use="lookup", reason="a lookup: its values describe the rows that point at it", flag=""
        )
    return enriched


def _enriches(column, keys: set[str]) -> bool:
    """Whether a column of a lookup says something about the rows that point at it."""
    if column.name in keys or column.personal or column.kind in ("empty", "constant", "time"):
        return False
    if column.semantic == "identifier" or vocabulary.has_word(
        column.raw_name, vocabulary.OUTCOMES | vocabulary.IDENTIFIERS
    ):
        return False
    if column.kind == "number":
        return not vocabulary.has_word(column.raw_name, vocabulary.NOT_MEASURES) and column.distinct > 1
    return column.kind in ("text", "boolean") and 2 <= column.distinct <= MOST_LOOKUP_VALUES


def _repeats(profile: Profile, one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two columns of lookups say the same: the city of a seller, and the city of the seller's postal code."""
    columns = [profile.table(table).column(name) for table, name in (one, other)]
    last = [column.name.rsplit("_", 1)[-1] for column in columns]
    return last[0] == last[1] and columns[0].distinct == columns[1].distinct and columns[0].kind == columns[1].kind


def _relation_review(profile: Profile, relation: Relation) -> list[str]:
    def raw(table: str, names: tuple[str, ...]) -> str:
        return "+".join(profile.table(table).column(name).raw_name for name in names)

    pair = f"{relation.child}.{raw(relation.child, relation.child_columns)} to "
    pair += f"{relation.parent}.{raw(relation.parent, relation.parent_columns)}"
    if not relation.is_given and relation.name_score == 0:
        return [f"the relation of {pair} rests on values alone: confirm it with --relate or remove it with --exclude"]
    if relation.inclusion < 0.9:
        return [f"only {relation.inclusion:.0%} of the values of {pair} exist there"]
    return []
