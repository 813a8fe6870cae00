"""Bodies of requests and responses, as the OpenAPI document describes them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

# MLflow's own names of fields are fine here: pydantic keeps `model_` for itself otherwise.
_OPEN = ConfigDict(protected_namespaces=())
_CLOSED = ConfigDict(extra="forbid")


class Reason(BaseModel):
    """One reason behind a score."""

    reason_rank: int = Field(description="From 1, the strongest.", examples=[1])
    feature: str = Field(examples=["orders_count_30d"])
    feature_value: str | None = Field(description="As text; null where there is none.", examples=["1"])
    contribution: float = Field(description="In log-odds of churn.", examples=[0.41])
    reason: str = Field(examples=["Orders in the last 30 days: 1, where the typical customer has 3."])


class RowScore(BaseModel):
    """The score of one row of features."""

    model_config = _OPEN

    churn_probability: float = Field(ge=0, le=1, description="Calibrated.", examples=[0.37])
    risk_band: str = Field(description="high, medium or low.", examples=["high"])
    reasons: list[Reason]
    model_name: str = Field(examples=["lightgbm"])
    model_version: int = Field(description="In the model registry.", examples=[4])


class Score(RowScore):
    """The score of one customer."""

    id: int | str = Field(description="The customer's key.", examples=["C000042"])
    feature_timestamp: datetime = Field(
        description="As of when the features are, in UTC.", examples=["2024-03-01T00:00:00"]
    )


class Ids(BaseModel):
    """Customers to score."""

    model_config = _CLOSED

    ids: list[StrictInt | StrictStr] = Field(
        min_length=1, description="Keys of customers; a repeated one counts once.", examples=[["C000042", "C000043"]]
    )


class Scores(BaseModel):
    """Scores of several customers."""

    scores: list[Score] = Field(description="In the order of the ids.")
    unknown: list[int | str] = Field(description="Customers without current features.", examples=[["C999999"]])


class FeatureRows(BaseModel):
    """Features to score."""

    model_config = _CLOSED

    rows: list[dict[str, Any]] = Field(
        min_length=1,
        description="Every feature that `GET /v1/model` lists, null where there is no value.",
        examples=[[{"orders_count_30d": 1, "customer_plan": "basic"}]],
    )


class RowScores(BaseModel):
    """Scores of rows of features."""

    scores: list[RowScore] = Field(description="In the order of the rows.")


class ModelFeature(BaseModel):
    """A feature of the model."""

    name: str = Field(examples=["orders_count_30d"])
    kind: str = Field(description="number, flag (true or false) or category (text).", examples=["number"])
    description: str


class Model(BaseModel):
    """The champion that scores."""

    name: str = Field(description="Kind of model.", examples=["lightgbm"])
    version: int = Field(description="In the model registry.", examples=[4])
    trained_until: datetime | str | None = Field(
        description="Last feature time of the rows that it was fitted on.", examples=["2023-11-01T00:00:00"]
    )
    base_rate: float = Field(description="Share of churned rows among them.", examples=[0.12])
    risk_bands: dict[str, float] = Field(
        description="Least probability of the bands high and medium.", examples=[{"high": 0.24, "medium": 0.12}]
    )
    key: str = Field(description="Column of the customer's key.", examples=["customer_id"])
    key_type: str = Field(description="integer or text.", examples=["text"])
    features: list[ModelFeature]


class Live(BaseModel):
    """The process runs."""

    status: str = Field(examples=["ok"])


class Ready(BaseModel):
    """Whether scores can be served."""

    model_config = _OPEN

    ready: bool
    model_name: str
    model_version: int
    features_newest: datetime | None = Field(description="The newest feature time, in UTC.")
    observation_end: datetime | None = Field(description="Up to when the data is complete, in UTC.")
    problems: list[str] = Field(description="In sentences; those of the champion leave an earlier one in place.")


class ErrorBody(BaseModel):
    """Why a request was refused."""

    code: str = Field(examples=["unknown_customer"])
    reason: str = Field(examples=["There are no features of this customer."])
    details: list[dict[str, Any]] = Field(description="What is wrong with which part of the request.")


class Error(BaseModel):
    """A request that was refused."""

    error: ErrorBody
