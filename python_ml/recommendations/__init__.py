"""Recommendations: what could be done to raw data, layer by layer, and what a person decided of it.

:mod:`proposing` makes proposals of findings, :mod:`schema` says what one is, :mod:`storage` writes and reads
``recommendations.yaml``, :mod:`builder` is the same in Python, :mod:`obeying` turns what was accepted into what is
generated, and :mod:`projects` keeps all of it in a project's folder.
"""

from python_ml.recommendations.builder import Recommendations
from python_ml.recommendations.schema import ACTIONS, Proposal, proposal

__all__ = ["ACTIONS", "Proposal", "Recommendations", "proposal"]
