"""What each column of a table without events becomes: a feature as it stands, or a reason why not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from python_ml import vocabulary
from python_ml.feature_columns import FeatureColumn
from python_ml.names import unique_identifiers, words
from python_ml.onboarding import detection
from python_ml.onboarding.profiling import number_sql
from python_ml.onboarding.specification import ColumnSpec
from python_ml.vocabulary import word_set
from python_ml.warehouse import quote

if TYPE_CHECKING:
    import duckdb
    import numpy as np

    from python_ml.onboarding.detection import FileProfile
    from python_ml.onboarding.profiling import ColumnProfile
    from python_ml.onboarding.scenario import Scenario

MAX_CODES = 100  # different values up to which a code is a category
MAX_FEATURES = 500
SAMPLE_ROWS = 200_000

_CODES = word_set("phone fax zip postcode postal plz telephone mobile ssn iban")
_LATE = word_set(
    "last latest end ended ends until closed updated modified expiry expires expired expiration renewal next due "
    "final recent"
)
# Written without a break, such as lastorder.
_LATE_BEGINNINGS = ("last", "latest", "expir", "cancel")
_TRUE = "('true', 't', 'yes', 'y', '1')"


@dataclass(frozen=True)
class StaticFeature:
    """A feature that is a column of the file, or the days between two of them.

    Attributes
    ----------
    column : FeatureColumn
        Name, type, description, metadata.
    expression : str
        SQL over bronze, with dbt's Jinja where engines differ.
    sql : str
        The same over the profile's view on DuckDB, as DOUBLE or VARCHAR.
    origin : str
        Raw name of the column that it is made of.
    """

    column: FeatureColumn
    expression: str
    sql: str
    origin: str

    @property
    def name(self) -> str:
        """Name in gold."""
        return self.column.name


def features_of(
    profile: FileProfile, specs: list[ColumnSpec], scenario: Scenario, target: str, source: str
) -> tuple[list[StaticFeature], list[ColumnSpec]]:
    """Decide what becomes of each column.

    Parameters
    ----------
    profile : FileProfile
    specs : list of ColumnSpec
        As :func:`python_ml.onboarding.roles.column_specs` makes them.
    scenario : Scenario
    target : str
        Raw name of the target.
    source : str
        Source name.

    Returns
    -------
    features : list of StaticFeature
    specs : list of ColumnSpec
        With ``unused`` telling why no feature is made of a column.
    """
    features: list[StaticFeature] = []
    decided = []
    for spec in specs:
        column = next(c for c in profile.columns if c.raw_name == spec.raw_name)
        if spec.role == "entity" or spec.raw_name == target:
            decided.append(spec)
            continue
        unused = _unused(spec, column, scenario)
        if not unused and len(features) >= MAX_FEATURES:
            unused = f"more than {MAX_FEATURES} columns could be features"
        if not unused:
            features.append(_feature(spec, column, profile, specs, scenario, source))
        decided.append(replace(spec, unused=unused))
    taken = ("feature_timestamp", "label_timestamp", "churned", *(s.name for s in specs if s.role == "entity"))
    names = unique_identifiers([f.name for f in features], "column", taken)
    features = [replace(f, column=replace(f.column, name=name)) for f, name in zip(features, names, strict=True)]
    return features, decided


def _unused(spec: ColumnSpec, column: ColumnProfile, scenario: Scenario) -> str:
    parts = set(words(spec.raw_name))
    if vocabulary.has_word(spec.raw_name, vocabulary.OUTCOMES):
        return "its name says the outcome"
    if spec.role in ("constant", "empty"):
        return f"it is {spec.role}"
    if spec.role == "key":
        return "it is different in every row"
    if spec.role == "number":
        if parts & _CODES:
            return "a code or a telephone number, not an amount"
        return spec.unused if spec.unused.startswith("too large") else ""
    if spec.role == "identifier" and column.distinct > MAX_CODES:
        return f"a code with more than {MAX_CODES} different values"
    if spec.role == "text":
        return spec.unused or "free text"
    if spec.role in ("time_other", "time", "available"):
        return _unused_time(spec, scenario, parts)
    return ""


def _unused_time(spec: ColumnSpec, scenario: Scenario, parts: set[str]) -> str:
    if scenario.seen is not None:
        if spec.raw_name == scenario.decided or (
            spec.raw_name == scenario.seen.column and scenario.seen.duration is None
        ):
            return "it is a time of the row itself"
        return ""
    if parts & _LATE or any(part.startswith(_LATE_BEGINNINGS) for part in parts):
        return "it may lie in the time in which the outcome was decided"
    if spec.raw_name == scenario.began:
        return "other dates are counted from it; the date itself says nothing about customers to come"
    return ""


def _feature(
    spec: ColumnSpec,
    column: ColumnProfile,
    profile: FileProfile,
    specs: list[ColumnSpec],
    scenario: Scenario,
    source: str,
) -> StaticFeature:
    text = (" ".join(words(spec.raw_name)) or spec.name).capitalize()
    name, data_type, expression, sql = spec.name, "string", spec.name, _text_sql(column)
    if spec.role == "number":
        data_type, expression, sql = "double", f"cast({spec.name} as double)", typed_sql(column)
    elif spec.role == "boolean":
        data_type, sql = "boolean", typed_sql(column)
    elif spec.type == "timestamp":
        return _days_feature(spec, column, profile, specs, scenario, source)
    return StaticFeature(
        FeatureColumn(name, data_type, f"{text}, as it stood in the file", _meta(source, spec.name)),
        expression,
        sql,
        spec.raw_name,
    )


def _days_feature(
    spec: ColumnSpec,
    column: ColumnProfile,
    profile: FileProfile,
    specs: list[ColumnSpec],
    scenario: Scenario,
    source: str,
) -> StaticFeature:
    """Days between a date and the customer's first one, or the feature time where each row has one."""
    own = detection.event_time_sql(column)
    if scenario.seen is None:
        began = next(s for s in specs if s.raw_name == scenario.began)
        start = detection.event_time_sql(next(c for c in profile.columns if c.raw_name == scenario.began))
        name = f"{spec.name}_days_after_{began.name}"
        expression = f"cast({{{{ dbt.datediff('{began.name}', '{spec.name}', 'day') }}}} as double)"
        sql = f"cast(date_diff('day', {start}, {own}) as double)"
        description = f"Days from {began.name.replace('_', ' ')} to {spec.name.replace('_', ' ')}"
    else:
        name = f"days_since_{spec.name}"
        days = f"{{{{ dbt.datediff('{spec.name}', 'feature_timestamp', 'day') }}}}"
        expression = f"case when {spec.name} < feature_timestamp then cast({days} as double) end"
        sql = "cast(null as double)"  # needs the feature time: the checks look at the date itself
        description = f"Days from {spec.name.replace('_', ' ')} to the feature time; null where it lies later"
    return StaticFeature(
        FeatureColumn(name, "double", description, _meta(source, name)), expression, sql, spec.raw_name
    )


def _meta(source: str, measure: str) -> dict[str, str]:
    return {
        "role": "feature",
        "source": source,
        "measure": measure,
        "aggregate": "attribute",
        "window": "snapshot",
        "leakage_risk": "low",
    }


def typed_sql(column: ColumnProfile) -> str:
    """SQL of a column over the profile's view: DOUBLE for numbers, flags and times, else VARCHAR."""
    name = quote(column.name)
    if column.kind == "time":
        return f"epoch({detection.event_time_sql(column)}) / 86400.0"
    if column.kind == "boolean":
        return f"case when {name} is not null then cast(lower(cast({name} as varchar)) in {_TRUE} as double) end"
    if column.kind == "number" and column.number is not None and not column.padded:
        text = number_sql(name, column.number.style) if column.physical_type == "VARCHAR" else name
        return f"try_cast({text} as double)"
    return _text_sql(column)


def _text_sql(column: ColumnProfile) -> str:
    return f"cast({quote(column.name)} as varchar)"


class Sample:
    """Up to 200,000 rows of a file with a known outcome, a column at a time.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    profile : FileProfile
    churned : str
        SQL over the view: 1, 0 or null.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, profile: FileProfile, churned: str) -> None:
        self._connection = connection
        connection.execute(f"""
            create or replace temporary table outcome_sample as
            select * from (
                select *, cast({churned} as double) as {quote(self._label(profile))}
                from {quote(profile.view)} where ({churned}) is not null
            )
            using sample reservoir({SAMPLE_ROWS} rows) repeatable (1)
        """)
        self.churned = self._values(f"{quote(self._label(profile))}")

    @staticmethod
    def _label(profile: FileProfile) -> str:
        taken = {c.name.lower() for c in profile.columns}
        return next(n for n in ("is_leaver", *(f"is_leaver_{i}" for i in range(2, 10))) if n not in taken)

    def values(self, sql: str) -> np.ndarray:
        """Values of an expression over the view, shape (n_rows,): floats with NaN, or objects with None."""
        return self._values(sql)

    def _values(self, sql: str) -> np.ndarray:
        values = self._connection.execute(f"select {sql} as value from outcome_sample").df()["value"]
        return values.to_numpy(float) if values.dtype.kind in "fiu" else values.to_numpy(object)
