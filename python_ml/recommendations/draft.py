"""A specification on its way from what was found to what is to be generated."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from python_ml.onboarding.found import same_columns

if TYPE_CHECKING:
    from python_ml.onboarding.found import Found
    from python_ml.onboarding.specification import ColumnSpec, ProjectSpec, SourceSpec
    from python_ml.onboarding.static import StaticSpec
    from python_ml.recommendations.builder import Recommendations
    from python_ml.recommendations.schema import Proposal


class Draft:
    """Sources and decisions that change, proposal by proposal.

    Attributes
    ----------
    sources : dict of str to SourceSpec
        The activity (or the table with the target) first.
    names : list of str
        Sources that proposals are about: all but supplied labels.
    missed : dict of str to str
        Why an accepted proposal could not be obeyed, by its id.
    """

    def __init__(self, found: Found, recommendations: Recommendations) -> None:
        self.found, self.recommendations = found, recommendations
        self.project: ProjectSpec = found.project
        self.static: StaticSpec | None = found.static
        self.sources: dict[str, SourceSpec] = {source.name: source for source in self.project.sources}
        self.names = [source.name for source in found.data]
        self.missed: dict[str, str] = {}
        self._met: set[str] = set()

    def wanted(self, layer: str, table: str, action: str, subject: str) -> Proposal | None:
        """The proposal, when it was accepted."""
        entry = self.recommendations.get(f"{layer}.{table}.{action}.{subject}")
        if entry is None or not entry.is_obeyed:
            return None
        self._met.add(entry.id)
        return entry

    def accepted(self, layer: str, action: str) -> list[Proposal]:
        """All accepted proposals of an action, whether the findings suggest them or a person added them."""
        found = [p for p in self.recommendations if p.layer == layer and p.action == action and p.is_obeyed]
        self._met |= {entry.id for entry in found}
        return found

    def miss(self, entry: Proposal, why: str) -> None:
        """Note that an accepted proposal cannot be obeyed."""
        self.missed[entry.id] = why

    def note_unmet(self) -> None:
        """Note accepted proposals that nothing in the findings is about."""
        for entry in self.recommendations:
            if entry.is_obeyed and entry.id not in self._met:
                self.missed.setdefault(entry.id, "nothing in the findings is about it")

    def column(self, entry: Proposal) -> tuple[SourceSpec, ColumnSpec] | None:
        """The column of bronze that a proposal is about; notes it when there is none."""
        source = self.sources.get(entry.table)
        column = next((c for c in source.columns if c.name == entry.subject), None) if source else None
        if column is None:
            self.miss(entry, f"there is no column {entry.subject} of {entry.table}")
            return None
        return source, column

    def change(self, source: SourceSpec, **changes: Any) -> SourceSpec:
        """Change a source."""
        self.sources[source.name] = replace(source, **changes)
        return self.sources[source.name]

    def change_column(self, source: SourceSpec, column: ColumnSpec, **changes: Any) -> SourceSpec:
        """Change a column of a source, wherever the source holds it."""
        changed = replace(column, **changes)
        columns = tuple(changed if c.name == column.name else c for c in source.columns)
        self.sources[source.name] = same_columns(replace(source, columns=columns))
        return self.sources[source.name]


def names_in(expression: str) -> set[str]:
    """Names that an expression of bronze columns uses."""
    return set(re.findall(r"[a-z_][a-z0-9_]*", expression))
