"""Quality gates: is the training frame fit to be learnt from, and the scoring frame one that the model knows?

Suites are built from the feature registry and from what frames showed, and judged by Great Expectations; nothing heavy
is imported before a frame is judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from python_ml.quality.checks import SCORING, TRAINING, Check, Outcome, Verdict

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.dbt import Feature
    from python_ml.model.card import ModelCard
    from python_ml.model.dataset import TrainingSet
    from python_ml.model.registry import Champion
    from python_ml.project import Project
    from python_ml.quality.facts import Facts

__all__ = [
    "SCORING",
    "TRAINING",
    "Check",
    "Outcome",
    "Verdict",
    "judge_scoring_set",
    "judge_training_set",
    "model_facts",
]


def judge_training_set(project: Project, training_set: TrainingSet) -> Verdict:
    """Judge the rows of a training; :func:`python_ml.quality.gate.enforce` refuses what fails.

    Parameters
    ----------
    project : Project
    training_set : TrainingSet
        From the warehouse or from a snapshot. A snapshot is old on purpose: its freshness is not checked.

    Returns
    -------
    Verdict

    Raises
    ------
    UserError
        When ``quality.accept`` names no check.
    """
    from python_ml.project import is_dateless
    from python_ml.quality.gate import judge_training
    from python_ml.quality.records import calendar_of, facts_before
    from python_ml.quality.suites import Calendar

    excluded = project.settings.features.excluded(feature.name for feature in training_set.features)
    before, notes = facts_before(project)
    return judge_training(
        training_set.frame,
        [feature for feature in training_set.features if feature.name not in excluded],
        training_set.entity,
        project.settings,
        Calendar() if training_set.snapshot else calendar_of(project),
        snapshot=is_dateless(training_set.definitions),
        before=before,
        notes=notes,
    )


def judge_scoring_set(project: Project, frame: pd.DataFrame, champion: Champion) -> Verdict:
    """Judge the scoring set of a project by what its champion was fitted on; see :func:`judge_training_set`."""
    from python_ml.quality.gate import judge_scoring
    from python_ml.quality.records import calendar_of, facts_of

    return judge_scoring(
        frame,
        facts_of(champion),
        project.entity,
        project.settings,
        calendar_of(project),
        model=f"{champion.card.model} version {champion.version}",
    )


def model_facts(frame: pd.DataFrame, card: ModelCard, features: list[Feature]) -> Facts:
    """What the rows that a model was fitted on showed, in the columns that it uses; to be kept with the model.

    Parameters
    ----------
    frame : pandas.DataFrame
        The whole training set.
    card : ModelCard
        Says which columns the model uses and up to which feature time it was fitted.
    features : list of Feature
        The registry.
    """
    import pandas as pd

    from python_ml.quality.facts import measure

    last = card.fitted_on.get("to")
    rows = frame if last is None else frame[(frame["feature_timestamp"] <= pd.Timestamp(last)).to_numpy()]
    columns = card.inputs
    return measure(rows, columns, features, card.entity, snapshot=last is None)
