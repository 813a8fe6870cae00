"""Reliability of the champion: data, over-fitting, noise, segments, stability of its drivers, fairness."""

from python_ml.diagnostics.diagnosis import Diagnosis, diagnose

__all__ = ["Diagnosis", "diagnose"]
