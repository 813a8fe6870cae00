"""From findings and recommendations to the specification of what is generated: nothing else decides."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from python_ml.errors import UserError
from python_ml.onboarding.feature_sets import feature_sets
from python_ml.recommendations import bronze, gold, silver
from python_ml.recommendations.draft import Draft

if TYPE_CHECKING:
    from python_ml.onboarding.found import Found
    from python_ml.onboarding.specification import ProjectSpec
    from python_ml.onboarding.static import StaticSpec
    from python_ml.recommendations.builder import Recommendations


@dataclass(frozen=True)
class Obeyed:
    """What is to be generated.

    Attributes
    ----------
    spec : ProjectSpec or StaticSpec
    recommendations : Recommendations
        With ``applied`` for those that the generated code shows.
    missed : dict of str to str
        Why accepted proposals are not in it, by id.
    """

    spec: ProjectSpec | StaticSpec
    recommendations: Recommendations
    missed: dict[str, str]


def obey(found: Found, recommendations: Recommendations) -> Obeyed:
    """Apply what was accepted to what was found, and leave out what was not.

    Raises
    ------
    UserError
        When what was not accepted leaves nothing to learn from.
    """
    draft = Draft(found, recommendations)
    bronze.obey(draft)
    silver.obey(draft)
    sources = tuple(draft.sources.values())
    draft.project = replace(draft.project, sources=sources)
    if draft.static is None:
        sets = feature_sets(sources, draft.project.windows)
        if not sets:
            raise UserError(
                "No window of any table was accepted, so there is nothing to learn from.",
                where="recommendations.yaml",
                hint="accept at least one `window`",
            )
    else:
        sets = (("gld_customer_features", tuple(f.column for f in draft.static.features)),)
    draft.project = replace(draft.project, feature_sets=sets)
    gold.obey(draft)
    draft.note_unmet()
    spec = draft.project if draft.static is None else replace(draft.static, project=draft.project)
    statuses = {
        entry.id: "accepted" if entry.id in draft.missed else "applied" for entry in recommendations if entry.is_obeyed
    }
    return Obeyed(spec, recommendations.with_status(statuses), draft.missed)
