"""From findings to proposals, layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from python_ml.recommendations import bronze, gold, silver

if TYPE_CHECKING:
    from python_ml.onboarding.found import Found
    from python_ml.recommendations.schema import Proposal


def propose(found: Found) -> list[Proposal]:
    """Make every proposal that the findings suggest.

    Returns
    -------
    list of Proposal
        ``accepted`` where a sound project needs the generator's guess (types, keys, links, measures, windows, columns
        that know the outcome); ``proposed`` where values, rows or the models' input would change.
    """
    made = [*bronze.propose(found), *silver.propose(found), *gold.propose(found)]
    # Two reasons to leave a feature out are one proposal; the first has more weight.
    first: dict[str, Proposal] = {}
    for entry in made:
        first.setdefault(entry.id, entry)
    return list(first.values())
