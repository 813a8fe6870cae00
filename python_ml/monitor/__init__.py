"""Monitoring: do later periods still look like the rows that the champion was fitted on, and are its scores right?

Statistics are pure functions of counts and scores, counts are made in SQL, and a verdict is a pure function of them.
"""

from python_ml.monitor.breach import Breach
from python_ml.monitor.monitoring import Monitoring, monitor
from python_ml.monitor.schema import ReferenceStatistics

__all__ = ["Breach", "Monitoring", "ReferenceStatistics", "monitor"]
