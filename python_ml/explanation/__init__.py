"""Why the champion says what it says: of all customers, of segments, and of one customer."""

from python_ml.explanation.customer import CustomerExplanation, explain_customer
from python_ml.explanation.drivers import driver_importance
from python_ml.explanation.overview import ModelExplanation, explain_model

__all__ = ["CustomerExplanation", "ModelExplanation", "driver_importance", "explain_customer", "explain_model"]
