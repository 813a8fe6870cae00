"""Everything that can be done to the data: one class per action, with how it is proposed and how it is applied."""

from __future__ import annotations

from python_ml.plan.actions.base import DECIDED, LAYERS, Action, NotApplicable, Status
from python_ml.plan.actions.bronze_columns import DropColumn, FoldCase, Impute, NullValues, Outliers, ReadAs
from python_ml.plan.actions.bronze_rows import Deduplicate, Derive, DropCopies, FlagReversals, Nobody, Versions
from python_ml.plan.actions.gold import Encode, Exclude, Interact, Scale, Transform
from python_ml.plan.actions.links import Enrich, MakeLink
from python_ml.plan.actions.silver import ChooseSetting, MakeMeasure, UseAttribute, UseCadence, UseSource, UseWindow
from python_ml.plan.actions.texts import TextFeatures

# In the order in which they are applied, and stand in the file.
FROM_FACTS: tuple[type[Action], ...] = (
    ReadAs, NullValues, Nobody, FoldCase, Impute, Outliers, Deduplicate, Versions, DropCopies, Derive, FlagReversals,
    DropColumn, MakeLink, Enrich, UseSource, ChooseSetting, UseAttribute, MakeMeasure, UseWindow, UseCadence,
    TextFeatures,
)  # fmt: skip
FROM_FEATURES = (Interact, Exclude, Transform, Scale, Encode)
ACTIONS: dict[str, type[Action]] = {kind.action: kind for kind in (*FROM_FACTS, *FROM_FEATURES)}

__all__ = ["ACTIONS", "DECIDED", "FROM_FACTS", "FROM_FEATURES", "LAYERS", "Action", "NotApplicable", "Status"]
