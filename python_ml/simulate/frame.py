"""A small frame of customers with known churn risks, for examples and tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def example_frame(customers: int = 300, months: int = 1, seed: int = 0) -> pd.DataFrame:
    """Draw customers whose orders fade before they churn.

    Parameters
    ----------
    customers, months : int
        Each customer has one row per month.
    seed : int

    Returns
    -------
    pandas.DataFrame, customers x months rows
        ``customer_id``, ``as_of`` (first of each month), ``plan``, ``price``, ``orders_30d``,
        ``days_since_last_order``, ``tickets_90d`` and ``churned``: 1 if the customer churned within the 30 days from
        ``as_of``. About a third did.

    Examples
    --------
    >>> import python_ml
    >>> frame = python_ml.example_frame(customers=3, months=2)
    >>> frame.shape
    (6, 8)
    >>> frame["as_of"].dt.strftime("%Y-%m-%d").unique().tolist()
    ['2024-01-01', '2024-02-01']
    """
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    n = customers * months
    customer = np.repeat(np.arange(customers), months)
    rate = np.repeat(rng.gamma(2.0, 1.5, customers), months) * np.exp(rng.normal(0, 0.7, n))
    plan = np.repeat(rng.choice(["basic", "standard", "premium"], customers, p=[0.5, 0.3, 0.2]), months)
    tickets = rng.poisson(0.4, n)
    log_odds = 0.4 - 1.3 * np.arcsinh(rate) + 0.9 * (plan == "basic") + 0.5 * tickets
    starts = pd.date_range("2024-01-01", periods=months, freq="MS")
    return pd.DataFrame(
        {
            "customer_id": [f"c{number:05d}" for number in customer],
            "as_of": np.tile(starts.to_numpy(), customers),
            "plan": plan,
            "price": pd.Series(plan).map({"basic": 9.0, "standard": 19.0, "premium": 39.0}),
            "orders_30d": rng.poisson(rate),
            "days_since_last_order": np.round(np.minimum(rng.exponential(30 / (rate + 0.1)), 365), 1),
            "tickets_90d": tickets,
            "churned": (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(int),
        }
    )
