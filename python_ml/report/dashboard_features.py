"""The features that the dashboard shows of a customer, over the last feature times, and those that divide customers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from python_ml.dbt import FEATURES, SCORING_SET, feature_registry
from python_ml.errors import UserError
from python_ml.explanation.drivers import ALL
from python_ml.explanation.reading import DRIVER_TABLE
from python_ml.formatting import date
from python_ml.input_columns import FLAG, NUMBER, kind_of
from python_ml.model.card import CardColumn
from python_ml.model.grouping import group_labels
from python_ml.model.reasons import as_text, subject
from python_ml.project import is_dateless
from python_ml.report.columnar import coded, shown_digits
from python_ml.warehouse import quote, relation, table_exists

if TYPE_CHECKING:
    import duckdb

    from python_ml.project import Project

MOST_FEATURES, LEAST_FEATURES = 16, 4
MOST_SEGMENTS = 8  # columns that divide customers
MOST_GROUPS = 12  # values of such a column
MOST_VALUES = 1_600_000  # customers x features x feature times
MOST_TIMES, LEAST_TIMES = 12, 2  # of features


@dataclass
class FeatureValues:
    """Values of some features.

    Attributes
    ----------
    columns : list of CardColumn
    times : list of pandas.Timestamp
        Feature times, the newest last; one where rows have no times of their own.
    values : list of numpy.ndarray of float or of pandas.Series of str, shape (n_times x n_customers,)
        One per column; the customers of the first time first.
    dated : bool
    """

    columns: list[CardColumn] = field(default_factory=list)
    times: list[pd.Timestamp] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)
    dated: bool = True

    def packed(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Document and arrays, for :func:`python_ml.report.columnar.packed`."""
        described, arrays = [], {}
        for place, (column, values) in enumerate(zip(self.columns, self.values, strict=True)):
            entry: dict[str, Any] = {
                "title": subject(column),
                "group": as_text(column.source) if column.source else "",
                "share": column.aggregate == "share",
                "plain": "year" in column.name.lower(),
                "recency": self.dated and column.aggregate == "days_since_last",
            }
            if column.kind == NUMBER:
                arrays[f"feature {place}"] = shown_digits(values)
            else:
                arrays[f"feature {place}"], entry["values"] = coded(values)
            described.append(entry)
        times = [{"time": time.isoformat(), "text": date(time)} for time in self.times] if self.dated else []
        return {"features": described, "feature_times": times}, arrays


def described_columns(connection: duckdb.DuckDBPyConnection, project: Project) -> dict[str, CardColumn]:
    """The features of gold with what dbt's manifest says of them; without one, they go by their names."""
    table = _table(connection)
    if table is None:
        return {}
    columns = connection.execute(f"describe {relation(table)}").fetchall()
    registry = None
    if project.manifest_path.exists():
        registry = {feature.name: feature for feature in feature_registry(project)}
    described = {}
    for name, data_type, *_ in columns:
        kind, feature = kind_of(data_type), (registry or {}).get(name)
        is_feature = name not in (project.entity, "feature_timestamp") if registry is None else feature is not None
        if kind is None or not is_feature or (feature and feature.role != "feature"):
            continue
        said = {} if feature is None else {
            part: getattr(feature, part) for part in ("description", "source", "measure", "aggregate", "window", "ends")
        }  # fmt: skip
        described[name] = CardColumn(name, kind, **said)
    return described


def _table(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The table with every feature row, which has those of the scores even if newer ones are not scored yet."""
    return next((name for name in (FEATURES, SCORING_SET) if table_exists(connection, name)), None)


def read_segments(
    connection: duckdb.DuckDBPyConnection, project: Project, shown: str, described: dict[str, CardColumn]
) -> pd.DataFrame:
    """The columns that divide customers: those of ``explain.segments``, else categories and flags with few values.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    project : Project
    shown : str
        Table with ``place``, ``customer`` and ``feature_timestamp`` of the customers.
    described : dict of str to CardColumn
        Result of :func:`described_columns`.

    Returns
    -------
    pandas.DataFrame, shape (n_customers, n_columns)
        Texts, or missing.

    Raises
    ------
    UserError
        When ``explain.segments`` names a column that is missing.
    """
    wanted = list(project.settings.explain.segments)
    for name in wanted:
        if name not in described:
            raise UserError(
                f"There is no column `{name}` to divide customers by.",
                where=project.settings.where("explain", "segments"),
                hint=f"choose columns of {SCORING_SET}, or write []",
            )
    names = wanted or [name for name, column in described.items() if column.kind != NUMBER]
    table = _current(connection, project, shown, names)
    chosen = {}
    for name in names:
        groups = group_labels(table[name], MOST_GROUPS, described[name].kind == FLAG)
        if wanted or 2 <= table[name].nunique() <= MOST_GROUPS:
            chosen[name] = groups
    return pd.DataFrame(dict(list(chosen.items())[:MOST_SEGMENTS]), index=range(len(table)))


def read_features(
    connection: duckdb.DuckDBPyConnection,
    project: Project,
    shown: str,
    as_of: pd.Timestamp,
    described: dict[str, CardColumn],
) -> FeatureValues:
    """The features that matter most, at the feature times up to ``as_of``; fewer times for more customers.

    Parameters are those of :func:`read_segments`.
    """
    dated = not is_dateless(project.vars)
    customers = connection.execute(f"select count(*) from {shown}").fetchall()[0][0]
    most = min(max(MOST_VALUES // (LEAST_TIMES * customers), LEAST_FEATURES), MOST_FEATURES)
    columns = _chosen(connection, described, most)
    if not columns:
        return FeatureValues(dated=dated)
    names = [column.name for column in columns]
    if not dated or not table_exists(connection, FEATURES):
        table = _current(connection, project, shown, names)
        return FeatureValues(columns, [as_of], [_values(table[c.name], c) for c in columns], dated)
    most = min(max(MOST_VALUES // (customers * len(columns)), LEAST_TIMES), MOST_TIMES)
    times = [
        time
        for (time,) in connection.execute(
            f"select distinct feature_timestamp from {relation(FEATURES)} where feature_timestamp <= ? "
            "order by 1 desc limit ?",
            [as_of.to_pydatetime(), most],
        ).fetchall()
    ][::-1]
    connection.register(
        "shown_times", pd.DataFrame({"at": range(len(times)), "time": pd.Series(times, dtype="datetime64[us]")})
    )
    selected = ", ".join(f"features.{quote(name)} as {quote(f'f{i}')}" for i, name in enumerate(names))
    table = connection.execute(
        f"select times.at * {customers} + shown.place as cell, {selected} from {relation(FEATURES)} as features "
        "join shown_times as times on features.feature_timestamp = times.time "
        f"join {shown} as shown on features.{quote(project.entity)} = shown.customer"
    ).df()
    table = table.drop_duplicates("cell").set_index("cell").reindex(range(customers * len(times)))
    values = [_values(table[f"f{i}"], column) for i, column in enumerate(columns)]
    return FeatureValues(columns, [pd.Timestamp(time) for time in times], values)


def _chosen(connection: duckdb.DuckDBPyConnection, described: dict[str, CardColumn], most: int) -> list[CardColumn]:
    """Recency and count of every source, then the strongest drivers; by source, attributes first."""
    drivers = []
    if table_exists(connection, DRIVER_TABLE):
        drivers = connection.execute(
            f"select feature from {relation(DRIVER_TABLE)} where segment_by = ? order by driver_rank", [ALL]
        ).fetchall()
    ranked = [name for (name,) in drivers if name in described]
    ranked += [name for name in described if name not in set(ranked)]
    strength = {name: place for place, name in enumerate(ranked)}
    wanted: dict[str, None] = {}
    sources = dict.fromkeys(described[name].source for name in ranked if described[name].source)
    for source in sources:
        own = [name for name in ranked if described[name].source == source]
        recency = [name for name in own if described[name].aggregate == "days_since_last"]
        counts = [name for name in own if described[name].aggregate == "count" and not described[name].measure]
        wanted |= dict.fromkeys([*recency[:1], *counts[:1]])
    wanted |= dict.fromkeys(ranked)
    names = list(wanted)[:most]
    order = {source: place for place, source in enumerate(sources)}
    names.sort(key=lambda name: (order.get(described[name].source, -1), strength[name]))
    return [described[name] for name in names]


def _current(connection: duckdb.DuckDBPyConnection, project: Project, shown: str, names: list[str]) -> pd.DataFrame:
    """Columns of gold for the customers, as of the feature time of their scores."""
    selected = "".join(f", features.{quote(name)} as {quote(f'f{i}')}" for i, name in enumerate(names))
    table = (
        connection.execute(
            f"select shown.place{selected} from {shown} as shown left join {relation(_table(connection))} as features "
            f"on features.{quote(project.entity)} = shown.customer "
            "and features.feature_timestamp = shown.feature_timestamp order by shown.place"
        ).df()
        if names
        else connection.execute(f"select place from {shown} order by place").df()
    )
    table = table.drop_duplicates("place").reset_index(drop=True)
    return table.rename(columns={f"f{i}": name for i, name in enumerate(names)}).drop(columns="place")


def _values(cells: pd.Series, column: CardColumn) -> Any:
    if column.kind == NUMBER:
        return cells.astype("Float64").to_numpy(float, na_value=np.nan)
    if column.kind == FLAG:
        return cells.astype("boolean").map({True: "yes", False: "no"}).astype("string")
    return cells.astype("string")
