"""Recommendations: what could be done to raw data, layer by layer, and what a person decided of it.

:mod:`proposing` makes proposals of findings, :mod:`schema` says what one is, :mod:`storage` writes and reads
``recommendations.yaml``, :mod:`builder` is the same in Python, and :mod:`obeying` turns what was accepted into the project
that is generated.
"""

from python_ml.recommendations.builder import Recommendations
from python_ml.recommendations.schema import ACTIONS, Proposal, proposal

__all__ = ["ACTIONS", "Proposal", "Recommendations", "proposal"]
