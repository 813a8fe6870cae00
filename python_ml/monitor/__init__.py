"""Monitoring: do later periods still look like the rows that the champion was fitted on?

Statistics are pure functions of counts, counts are made in SQL, and a verdict is a pure function of both.
"""

from python_ml.monitor.monitoring import Breach, Monitoring, monitor
from python_ml.monitor.schema import ReferenceStatistics

__all__ = ["Breach", "Monitoring", "ReferenceStatistics", "monitor"]
