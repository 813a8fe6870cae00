"""The key graph: which tables point at which, which columns hold the same identifiers, and who reaches whom."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from python_ml.errors import UserError
from python_ml.ingest import vocabulary
from python_ml.names import name_parts
from python_ml.profile.schema import Profile, Relation

if TYPE_CHECKING:
    import networkx

Node = tuple[str, str]  # source name, safe column name


class KeyGraph:
    """Tables and their relations as a graph.

    Parameters
    ----------
    profile : Profile
    excluded : set of str
        Sources, and columns as ``source.column``, that lead nowhere.

    Attributes
    ----------
    relations : list of Relation
        Those that lead from rows to a single row of another table.
    identities : list of frozenset of Node
        Columns that hold the same identifiers.
    """

    def __init__(self, profile: Profile, excluded: set[str] = frozenset()) -> None:
        self.profile = profile
        self.relations = [r for r in profile.relations if r.cardinality != "n:m" and not _touches(r, excluded)]
        self._shared = [r for r in profile.relations if not _touches(r, excluded)]
        self.excluded = excluded
        self.tables = [t for t in profile.tables if t.name not in excluded]
        self.identities = self._identities()

    def _identities(self) -> list[frozenset[Node]]:
        """Columns joined by relations, or by the same name where it says a customer."""
        import networkx

        graph = networkx.Graph()
        for relation in self._shared:
            for child, parent in zip(relation.child_columns, relation.parent_columns, strict=True):
                if len(relation.child_columns) == 1 or child == parent:
                    graph.add_edge((relation.child, child), (relation.parent, parent))
        by_name: dict[str, Node] = {}
        for table in self.tables:
            for identifier in table.identifiers:
                node = (table.name, identifier.column)
                if f"{table.name}.{identifier.column}" in self.excluded:
                    continue
                graph.add_node(node)
                if identifier.person >= 2:
                    graph.add_edge(node, by_name.setdefault(identifier.column, node))
        return sorted((frozenset(part) for part in networkx.connected_components(graph)), key=sorted)

    def identity(self, node: Node) -> frozenset[Node]:
        """The identity that a column belongs to."""
        return next((part for part in self.identities if node in part), frozenset([node]))

    def directed(self, relations: Iterable[Relation] | None = None) -> networkx.DiGraph:
        """Child -> parent."""
        import networkx

        graph = networkx.DiGraph()
        graph.add_nodes_from(t.name for t in self.tables)
        graph.add_edges_from((r.child, r.parent) for r in (self.relations if relations is None else relations))
        return graph

    def reaching(self, tables: Iterable[str]) -> set[str]:
        """Tables that are among some, or lead to one of them."""
        import networkx

        graph = self.directed()
        return set(tables) | {child for t in tables if t in graph for child in networkx.ancestors(graph, t)}

    def parents(self, table: str) -> list[Relation]:
        """Relations by which a table points at another, the likeliest first."""
        own = [r for r in self.relations if r.child == table]
        return sorted(own, key=lambda r: (not r.is_given, -r.name_score, -r.inclusion, r.parent))


def parse_excluded(profile: Profile, names: tuple[str, ...]) -> set[str]:
    """Read ``--exclude``: sources, and columns as ``source.column`` under safe names.

    Raises
    ------
    UserError
        When there is no such source or column.
    """
    excluded = set()
    for name in names:
        source, dot, column = name.strip().partition(".")
        table = next((t for t in profile.tables if name in (t.name, t.table.path.name)), None)
        if table is not None:
            excluded.add(table.name)
            continue
        table = next((t for t in profile.tables if source == t.name), None)
        if table is None:
            raise UserError(
                f"There is no source `{name}`.",
                where="--exclude",
                hint="choose one of " + ", ".join(t.name for t in profile.tables) + ", or a column as source.column",
            )
        known = table.table.column(column) if dot else None
        if known is None:
            raise UserError(
                f"{source} has no column `{column}`.",
                where="--exclude",
                hint=f"choose one of {table.table.column_names}",
            )
        excluded.add(f"{source}.{known.name}")
    return excluded


def _touches(relation: Relation, excluded: set[str]) -> bool:
    names = {relation.child, relation.parent}
    names |= {f"{relation.child}.{c}" for c in relation.child_columns}
    names |= {f"{relation.parent}.{c}" for c in relation.parent_columns}
    return bool(names & excluded)


def person_name(profile: Profile, node: Node) -> float:
    """How much a column's name, or that of the table whose key it is, says a customer, 0 to 3."""
    table, column = node
    raw = profile.table(table).column(column).raw_name
    score = vocabulary.person_score(raw)
    if score < 2 and not vocabulary.subject(raw):
        # the bare `id` of a table of users
        about = vocabulary.subject(table)
        if about and about[-1] in vocabulary.PERSONS:
            return 2.5
    return score


def says_other_thing(profile: Profile, node: Node) -> bool:
    """Whether a column's name suggests a place, product, plan, channel, document or device rather than a customer."""
    table, column = node
    raw = profile.table(table).column(column).raw_name
    about = vocabulary.subject(raw)
    if not about and name_parts(raw):
        about = vocabulary.subject(table)  # the bare `id` of a table of orders
    return bool(about) and about[-1] in vocabulary.OTHER_THINGS and person_name(profile, node) < 2
