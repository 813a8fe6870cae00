"""What a feature store holds: views of features, a service of those that a model takes, and what its calls answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

# When a row can be served from: the microsecond after it was made. Feast and Databricks match times "not later than"
# that of a request, and features are what was known *before* it. A row of gold was known before its feature time.
VALID_FROM = "valid_from"
FEATURE_TIME = "feature_timestamp"
CREATED_AT = "created_at"

TEXT, BOOLEAN, INTEGER, BIGINT, DOUBLE, FLOAT = "text", "boolean", "integer", "bigint", "double", "float"
DECIMAL, DATE, TIMESTAMP = "decimal", "date", "timestamp"

PRESENT, STALE, ABSENT = "present", "stale", "absent"


@dataclass(frozen=True)
class StoredColumn:
    """A column of a view.

    Attributes
    ----------
    name : str
    kind : str
        ``text``, ``boolean``, ``integer``, ``bigint``, ``float``, ``double``, ``decimal``, ``date`` or ``timestamp``.
    sql_type : str
        Type on DuckDB, such as ``decimal(18,2)``.
    description : str
    tags : mapping of str to str
        What the feature registry says: measure, aggregate, window, leakage risk.
    """

    name: str
    kind: str
    sql_type: str
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ViewDefinition:
    """The features of one source, by customer and feature time."""

    name: str
    columns: tuple[StoredColumn, ...]
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Names of its features, in order."""
        return [column.name for column in self.columns]


@dataclass(frozen=True)
class ServiceDefinition:
    """The features that a model takes, under one name."""

    name: str
    features: tuple[str, ...]
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StoreDefinition:
    """Everything that ``apply`` registers.

    Attributes
    ----------
    project : str
    key : StoredColumn
        Column that identifies a customer.
    views : tuple of ViewDefinition
    service : ServiceDefinition
    """

    project: str
    key: StoredColumn
    views: tuple[ViewDefinition, ...]
    service: ServiceDefinition

    @property
    def columns(self) -> dict[str, StoredColumn]:
        """All features by name, in the order of gold."""
        return {column.name: column for view in self.views for column in view.columns}

    def view_of(self, feature: str) -> ViewDefinition:
        """The view that a feature is in."""
        return next(view for view in self.views if feature in view.names)

    def layout(self, view: ViewDefinition) -> str:
        """Names the columns and types of a view's files; files of another layout cannot be read with them."""
        columns = [(self.key.name, self.key.sql_type), *((c.name, c.sql_type) for c in view.columns)]
        return hashlib.sha256(json.dumps(columns).encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> StoreDefinition:
        """Undo :meth:`to_dict`."""
        views = (
            ViewDefinition(**{**view, "columns": tuple(StoredColumn(**column) for column in view["columns"])})
            for view in value["views"]
        )
        service = {**value["service"], "features": tuple(value["service"]["features"])}
        return cls(value["project"], StoredColumn(**value["key"]), tuple(views), ServiceDefinition(**service))


@dataclass(frozen=True)
class Applied:
    """What ``apply`` registered: the number of features by view, and the service."""

    place: str
    views: dict[str, int]
    service: str
    service_features: int
    changed: bool

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


@dataclass(frozen=True)
class Published:
    """What ``publish`` wrote.

    Attributes
    ----------
    place : str
    written, removed : tuple of datetime
        Feature times that are new or changed, and those that gold no longer has. Naive UTC.
    unchanged : int
        Number of feature times that were left alone.
    rows : int
        Rows of gold that were written.
    online_rows : int
        Customers whose online row was written or deleted.
    newest : datetime or None
        Newest feature time that is published.
    discarded_pushes : int
        Pushed rows of views whose columns have changed.
    """

    place: str
    written: tuple[datetime, ...]
    removed: tuple[datetime, ...]
    unchanged: int
    rows: int
    online_rows: int
    newest: datetime | None
    discarded_pushes: int = 0

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


@dataclass(frozen=True)
class Pushed:
    """What became of pushed rows: accepted; older than what is served; equal to what is served."""

    rows: int
    accepted: int
    older: int
    unchanged: int
    views: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


@dataclass(frozen=True)
class OnlineRow:
    """What the online store serves for one customer.

    Attributes
    ----------
    customer : str or int
    status : str
        ``present``; ``stale`` when every view is older than the ttl; ``absent`` when there is no row.
    feature_timestamp : datetime or None
        Naive UTC; the newest of its views.
    values : mapping
        Every feature that was asked for; None where there is no value, or its view is stale.
    stale_views : tuple of str
        Views whose values are withheld because of their age.
    """

    customer: Any
    status: str
    feature_timestamp: datetime | None
    values: Mapping[str, Any]
    stale_views: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {**asdict(self), "values": dict(self.values)}


def moments(times: Sequence[datetime], shown: int = 3) -> str:
    """Feature times in a sentence: the first few, and how many more."""
    text = ", ".join(f"{time:%Y-%m-%d %H:%M}".removesuffix(" 00:00") for time in times[:shown])
    return f"{text} and {len(times) - shown} more" if len(times) > shown else text
