"""What the templates of linked models need: join keys, names of CTEs, and when a linked row was known."""

from __future__ import annotations

from dataclasses import dataclass

from python_ml.onboarding.bronze_sql import BronzeModel
from python_ml.onboarding.key_values import SPELLING_WORDS, SPELLINGS
from python_ml.onboarding.specification import Link, ProjectSpec, SourceSpec


@dataclass(frozen=True)
class LinkedParent:
    """A parent in the template of a linked model.

    Attributes
    ----------
    alias, ambiguous : str
        CTEs of its rows, and of keys whose copies disagree.
    key : str
        Name of the join key in both; ``has_key`` says whether it differs from the column.
    is_unique : bool
        Whether bronze holds the key to be unique, as it is spelt.
    """

    parent: str
    column: str
    parent_column: str
    brings: tuple[tuple[str, str], ...]
    agreeing: str | None
    model: str
    alias: str
    ambiguous: str
    key: str
    has_key: bool
    is_unique: bool
    parent_key_sql: str
    child_key_sql: str
    known_sql: str
    known_name: str
    first_known_sql: str
    duplicate: str
    spelling_words: str


@dataclass(frozen=True)
class LinkedModel:
    """What the templates of a linked source need.

    Attributes
    ----------
    gains : list of str
        Columns that the link brings.
    output : list of str
        Columns of the linked rows: those of bronze, with the customer behind the key and times at the end.
    known_sql : str
        When both the row and what it was linked through were known.
    """

    name: str
    events: str
    links: list[LinkedParent]
    gains: list[str]
    output: list[str]
    known: str | None
    known_sql: str


def linked_model(spec: ProjectSpec, source: SourceSpec, bronze: BronzeModel) -> LinkedModel:
    """Prepare a linked source for the templates."""
    by_name = {s.name: s for s in spec.sources}
    parents = [
        _parent(spec, source, link, by_name[link.parent], place, bronze.output)
        for place, link in enumerate(source.links)
    ]
    gains = [name for link in source.links for _, name in link.brings]
    output = list(bronze.output)
    for name in gains:
        if source.entity is not None and name == source.entity.name:
            output.insert(1 if source.key is not None and output[0] == source.key.name else 0, name)
        else:
            output.append(name)
    own = tuple(s.name for s in (source.own_time, source.available) if s is not None)
    moments = ([_known(own)] if own else []) + [p.known_name for p in parents if p.known_sql]
    known = moments[0] if moments else ""
    for moment in moments[1:]:
        # greatest() would pass over nulls on some engines and not on others
        known = f"{{{{ customer_retention.known_at({_argument(known)}, '{moment}') }}}}"
    return LinkedModel(source.name, source.events, parents, gains, output, source.known, known)


def _argument(expression: str) -> str:
    """A rendered expression as the argument of another macro."""
    inner = expression.removeprefix("{{ ").removesuffix(" }}")
    return inner if inner != expression else f"'{expression}'"


def _known(columns: tuple[str, ...]) -> str:
    if len(columns) == 1:
        return columns[0]
    return f"{{{{ customer_retention.known_at('{columns[0]}', '{columns[1]}') }}}}"


def _parent(
    spec: ProjectSpec, source: SourceSpec, link: Link, parent: SourceSpec, place: int, columns: list[str]
) -> LinkedParent:
    exact = link.spelling == "exact"
    is_key = parent.key is not None and parent.key.name == link.parent_column
    alias = link.parent if [one.parent for one in source.links].index(link.parent) == place else f"{link.parent}_again"
    key = link.parent_column if exact else "link_key"
    taken = {name for _, name in link.brings}
    has_key = key in taken
    key = "link_key" if has_key else key
    known = _known(link.known) if link.known else ""
    known_name = f"{link.parent}_known_at"
    while known_name in {*columns, *taken}:
        known_name += "_then"
    duplicate = f"duplicate {parent.key.name}" if parent.key is not None else ""
    return LinkedParent(
        link.parent,
        link.column,
        link.parent_column,
        link.brings,
        link.agreeing,
        spec.model(parent),
        alias,
        f"ambiguous_keys{'' if place == 0 else f'_{place + 1}'}",
        key,
        has_key,
        exact and is_key,
        SPELLINGS[link.spelling].format(link.parent_column),
        SPELLINGS[link.spelling].format(f"{source.name}.{link.column}"),
        known,
        known_name,
        _known(link.first_known) if link.first_known else "",
        duplicate,
        f"keys are the same but for how they are {SPELLING_WORDS[link.spelling]}" if not exact else "one row per key",
    )
