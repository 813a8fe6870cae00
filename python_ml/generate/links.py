"""What the templates of linked models need: join keys, names of CTEs, and when a linked row was known."""

from __future__ import annotations

from dataclasses import dataclass

from python_ml.generate.bronze import known_expression, output_columns
from python_ml.names import free_name
from python_ml.plan.schema import Brought, Link, ProjectPlan, SourcePlan
from python_ml.profile.values import SPELLINGS


@dataclass(frozen=True)
class LinkedParent:
    """A parent in the template of a linked model.

    Attributes
    ----------
    alias, ambiguous : str
        CTEs of its rows, and of keys whose copies disagree; the second is empty where that cannot be.
    keys : tuple of str
        Names of the join keys in both.
    key_sql, child_key_sql : tuple of str
        How they are computed from the rows of the parent and of the child.
    is_unique : bool
        Whether bronze holds the key to be unique, as it is spelt.
    known_sql, known_name : str
        When a row of the parent was known; empty where it has no time.
    agreeing : tuple of str
        Columns in which copies of a key must agree.
    """

    link: Link
    model: str
    alias: str
    ambiguous: str
    keys: tuple[str, ...]
    key_sql: tuple[str, ...]
    child_key_sql: tuple[str, ...]
    is_unique: bool
    known_sql: str
    known_name: str
    agreeing: tuple[str, ...]
    first_known_sql: str
    duplicate: str
    nullable: tuple[Brought, ...]


@dataclass(frozen=True)
class LinkedModel:
    """What the templates of a linked source need.

    Attributes
    ----------
    gains : tuple of str
        Columns that links bring.
    alias : str
        CTE of the rows of the source itself.
    output : tuple of str
        Columns of the linked rows: those of bronze, with the customer in front and the others at the end.
    known_sql : str
        When both the row and what gives it its customer or time were known.
    guarded : dict of str to str
        Values that only enrich the row, with the column that says when they were known: later ones are null.
    """

    alias: str
    parents: tuple[LinkedParent, ...]
    gains: tuple[str, ...]
    output: tuple[str, ...]
    known_sql: str
    guarded: dict[str, str]


def linked_model(plan: ProjectPlan, source: SourcePlan) -> LinkedModel:
    """Prepare a linked source for the templates."""
    bronze = output_columns(source)
    gains = tuple(b.name for link in source.links for b in link.brings)
    used = {"linked", "final", *bronze, *gains}
    alias = free_name(source.name, used)
    # A link that gives the row its customer or its time decides before those that only enrich it.
    links = sorted(source.links, key=lambda link: not link.is_required)
    parents = tuple(_parent(plan, alias, link, used) for link in links)
    output = list(bronze)
    for name in gains:
        output.insert(len(source.key) if name == source.entity else len(output), name)
    own = known_expression(source)
    moments = ([own] if own else []) + [f"'{p.known_name}'" for p in parents if p.known_sql and p.link.is_required]
    known = moments[0] if moments else ""
    for moment in moments[1:]:
        # greatest() would pass over nulls on some engines and not on others
        known = f"customer_retention.known_at({known}, {moment})"
    later = [p for p in parents if p.known_sql and not p.link.is_required and known]
    guarded = {b.name: p.known_name for p in later for b in p.link.brings}
    return LinkedModel(alias, parents, gains, tuple(output), _sql(known), guarded)


def _sql(expression: str) -> str:
    """An expression of Jinja as it stands in SQL."""
    return expression.strip("'") if expression.startswith("'") or not expression else f"{{{{ {expression} }}}}"


def _parent(plan: ProjectPlan, child: str, link: Link, used: set[str]) -> LinkedParent:
    parent = plan.source(link.parent)
    spelt = SPELLINGS[link.spelling].format
    brought = {b.name for b in link.brings}
    is_plain = link.spelling == "exact" and not brought & set(link.parent_columns)
    keys = link.parent_columns
    if not is_plain:
        keys = tuple(f"link_key{f'_{i}' if i > 1 else ''}" for i in range(1, len(link.columns) + 1))
    known = f"'{parent.known}'" if parent.known else known_expression(parent)
    agreeing = _agreeing(parent, link)
    is_key = set(parent.key) == set(link.parent_columns)
    return LinkedParent(
        link=link,
        model=plan.model(parent),
        alias=free_name(link.parent, used),
        ambiguous=free_name("ambiguous_keys", used) if agreeing else "",
        keys=keys,
        key_sql=tuple(spelt(c) for c in link.parent_columns),
        child_key_sql=tuple(spelt(f"{child}.{c}") for c in link.columns),
        is_unique=link.spelling == "exact" and is_key and not parent.superseded,
        known_sql=_sql(known),
        known_name=free_name(f"{link.parent}_known_at", used),
        agreeing=agreeing,
        first_known_sql=_sql(known_expression(parent)),
        duplicate=f"duplicate {', '.join(parent.key)}" if is_key else "",
        nullable=tuple(b for b in link.brings if b.part != "value" and b.column not in (parent.entity, parent.time)),
    )


def _agreeing(parent: SourcePlan, link: Link) -> tuple[str, ...]:
    """Columns of a parent in which copies of its key must agree, or the customer would be ambiguous."""
    own = set(output_columns(parent))
    for brought in link.brings:
        for further in parent.links if brought.part != "value" and brought.column not in own else ():
            if brought.column in {b.name for b in further.brings}:
                return further.columns
    return tuple(b.column for b in link.brings if b.part == "entity" and b.column in own)
