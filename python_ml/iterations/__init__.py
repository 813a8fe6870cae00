"""Iterations: what was tried, why, with which recommendations, and what the next one starts from. Kept in MLflow."""

from python_ml.iterations.feedback import Feedback, feature_feedback
from python_ml.iterations.log import IterationLog
from python_ml.iterations.recommended import Recommended, recommended
from python_ml.iterations.schema import Iteration, LoggedTraining, Trigger, best

__all__ = [
    "Feedback",
    "Iteration",
    "IterationLog",
    "LoggedTraining",
    "Recommended",
    "Trigger",
    "best",
    "feature_feedback",
    "recommended",
]
