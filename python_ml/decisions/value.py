"""Customer value: a column, or margin x expected remaining life."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from python_ml.customer_value import expected_life, revenue_column, typical_value
from python_ml.durations import days
from python_ml.errors import UserError
from python_ml.settings.decisions import BY_NAME

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from python_ml.settings import CustomerValueSettings, Settings


@dataclass(frozen=True)
class CustomerValue:
    """What customers are worth.

    Attributes
    ----------
    value : numpy.ndarray, shape (n,)
        Money that is lost when the customer churns; never negative.
    origin : str
        How it was made, as a sentence.
    is_placeholder : bool
        Whether every customer has the same made-up value.
    filled : int
        Customers without a figure of their own, who were given the median.
    placeholder : float
        What a typical customer counts as where none is worth anything.
    """

    value: NDArray[np.float64]
    origin: str
    is_placeholder: bool = False
    filled: int = 0
    placeholder: float = 200.0

    @property
    def typical(self) -> float:
        """What a typical customer is worth."""
        return typical_value(self.value, self.placeholder)


def customer_value(
    frame: pd.DataFrame,
    probability: NDArray[np.float64],
    settings: CustomerValueSettings,
    *,
    period: float,
    base_rate: float | None = None,
    remaining_days: NDArray[np.float64] | None = None,
    where: str = "decisions.value",
) -> CustomerValue:
    """Say what each customer is worth.

    Parameters
    ----------
    frame : pandas.DataFrame, n rows
        Gold features.
    probability : numpy.ndarray, shape (n,)
        Churn probability within ``period`` days.
    settings : CustomerValueSettings
    period : float
        Days.
    base_rate : float, optional
        Share of all customers who churn within ``period``.
    remaining_days : numpy.ndarray, shape (n,), optional
        Expected remaining life of a survival model; where it is missing, life follows from the probability.
    where : str
        Where the settings stand, for messages.

    Raises
    ------
    UserError
        When a configured column is missing or not a number.
    """
    if settings.column:
        value, filled = _numbers(frame, settings.column, where, missing_is_zero=False)
        return CustomerValue(value, f"value from {settings.column}", filled=filled, placeholder=settings.placeholder)
    name, covered = revenue_column(frame.select_dtypes("number").columns, settings)
    if name is None:
        origin = f"the same placeholder of {settings.placeholder:g} for every customer: no column of revenue is known"
        return CustomerValue(np.full(len(frame), settings.placeholder), origin, is_placeholder=True)
    # A sum over a window is empty when nothing happened in it; a price is empty when it is not known.
    revenue, filled = _numbers(frame, name, where, missing_is_zero="_sum_" in name)
    longest = days(settings.longest_life)
    life = expected_life(probability, period, longest, base_rate, settings.persistence)
    how = f"a constant risk per {period:g} days, {settings.persistence:g} of it the customer's own"
    if remaining_days is not None and np.isfinite(remaining_days).any():
        life = np.where(np.isfinite(remaining_days), np.clip(remaining_days, 0, longest), life)
        how = "the survival model"
    chosen = " (chosen by its name)" if settings.revenue_column == BY_NAME else ""
    origin = (
        f"{settings.margin_rate:g} of {name}{chosen} per {covered:g} days x remaining life by {how}, "
        f"at most {longest:g} days"
    )
    value = revenue / covered * settings.margin_rate * life
    return CustomerValue(value, origin, filled=filled, placeholder=settings.placeholder)


def check_value(frame: pd.DataFrame, settings: Settings) -> None:
    """Refuse a value or revenue column that is not there or no number, before anything is fitted.

    Raises
    ------
    UserError
        Naming the line.
    """
    value = settings.decisions.value
    key = "column" if value.column else "revenue_column"
    name = getattr(value, key)
    if name and name != BY_NAME:
        _numbers(frame, name, settings.where("decisions", "value", key), missing_is_zero=True)


def value_columns(frame: pd.DataFrame, settings: CustomerValueSettings) -> list[str]:
    """The columns that :func:`customer_value` reads of a frame; its rows do not matter."""
    name = settings.column or revenue_column(frame.select_dtypes("number").columns, settings)[0]
    return [name] if name in frame else []


def _numbers(frame: pd.DataFrame, name: str, where: str, *, missing_is_zero: bool) -> tuple[NDArray[np.float64], int]:
    """A column without gaps and without negative numbers, and how many gaps there were."""
    if name not in frame:
        close = difflib.get_close_matches(name, list(frame.columns), n=3)
        hint = f"did you mean {' or '.join(close)}? " if close else ""
        raise UserError(
            f"There is no column {name} among the features.",
            where=where,
            hint=f"{hint}name a numeric column of gold.gld_customer_features",
        )
    if frame[name].dtype.kind not in "iufb" or frame[name].dtype.kind == "b":
        raise UserError(
            f"The column {name} is not a number.",
            where=where,
            hint="name a numeric column of gold.gld_customer_features",
        )
    values = frame[name].astype("float64").to_numpy(dtype=float, na_value=np.nan)
    missing = ~np.isfinite(values)
    if missing.all() and len(values) and not missing_is_zero:
        raise UserError(f"The column {name} is empty.", where=where, hint="name a column with values")
    filled = np.where(missing, 0.0 if missing_is_zero else np.nanmedian(values) if len(values) else 0.0, values)
    return np.maximum(filled, 0.0), 0 if missing_is_zero else int(missing.sum())
