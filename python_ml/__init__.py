"""Customer Retention: point-in-time features, churn models with reasons, and reports.

The SQL half of the project is the dbt package beside this one. This half simulates, onboards, trains,
explains and reports; every step is also a command of ``retention``.
"""

__version__ = "0.1.0"
