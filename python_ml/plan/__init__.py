"""From facts to the plan of a project: customer, outcome, calendar, and one action for everything that can be done."""

from python_ml.plan.base import PlanFacts, gather_facts, locations, project_name
from python_ml.plan.fold import Planned, make_plan, propose
from python_ml.plan.recommendations import Recommendations
from python_ml.plan.schema import Options, ProjectPlan

__all__ = [
    "Options",
    "PlanFacts",
    "Planned",
    "ProjectPlan",
    "Recommendations",
    "gather_facts",
    "locations",
    "make_plan",
    "project_name",
    "propose",
]
