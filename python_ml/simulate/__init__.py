"""A simulated subscription business with known churn risks: churn is drawn from a documented hazard.

Public are :class:`World`, :data:`SMALL_WORLD` and :func:`write_world`; the guide is
``docs/guides/simulated_world.md``.
"""

from python_ml.simulate.world import SMALL_WORLD, World
from python_ml.simulate.writing import write_world

__all__ = ["SMALL_WORLD", "World", "write_world"]
