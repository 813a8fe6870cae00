"""What the dashboard shows: the customers of the newest scoring, and what gold holds of them, as columns.

Nothing is read of later feature times than that of the scores: a table may hold some that are not scored yet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from python_ml.dbt import ACTIONS, REASONS, SCORES, SCORING_SET
from python_ml.formatting import date, key_text, model_title
from python_ml.model.reasons import subject
from python_ml.monitor.history import CONTACTED, HELD_OUT
from python_ml.monitor.history import TABLE as HISTORY
from python_ml.project import is_dateless
from python_ml.report.columnar import coded, narrowest
from python_ml.report.dashboard_features import FeatureValues, described_columns, read_features, read_segments
from python_ml.warehouse import connect, quote, relation, table_exists

if TYPE_CHECKING:
    import duckdb

    from python_ml.project import Project

# Customers in the order of the page: a table of this connection alone.
SHOWN = "dashboard_customers"
MOST_SCORES = 1_200_000  # customers x scorings; of more, scorings are left out at even distances
SCALE, NEVER = 10_000, 65_535  # a probability in the history, in hundredths of a percent; not scored then
AMOUNTS = {
    "value_at_risk": "Value at risk",
    "expected_profit": "Expected profit",
    "customer_value": "Customer value",
    "uplift": "Uplift",
}
ONE_CUSTOMER = ("customer_value", "uplift")  # shown of one customer and in the CSV, not in the table
CONTACT, HOLDOUT, NOT_LISTED = "contact", "hold out", "not listed"


@dataclass(frozen=True)
class PastScoring:
    """One scoring of the history: when, and by which version."""

    time: pd.Timestamp
    version: int
    model: str


@dataclass
class DashboardData:
    """The content of the page; arrays have one entry per customer, the riskiest first.

    Attributes
    ----------
    project_name, entity : str
    dated : bool
        Whether feature times are times, or a constant.
    as_of : pandas.Timestamp or None
        Feature time of the scores; None where nobody is scored.
    model, version
        Which scored.
    keys : list of str
    probability : numpy.ndarray of float, shape (n,)
    band : pandas.Series of str, shape (n,)
    actions : pandas.DataFrame, n rows
        Columns of ``gold.gld_retention_actions``, and ``campaign``: whether to contact or to hold out; missing for
        customers who are not on the list.
    segments : pandas.DataFrame, n rows
        Columns that divide customers; texts.
    segment_titles : dict of str to str
    reasons : pandas.DataFrame, n rows
        One column per rank; sentences.
    scorings : list of PastScoring
        The scorings that ``history`` has; the last is that of the scores.
    all_scorings : int
        How many there are.
    history : numpy.ndarray of uint16, shape (n_scorings, n)
        Probabilities times 10,000; 65,535 where a customer was not scored.
    arms : numpy.ndarray of uint8, shape (n_scorings, n)
        1 for contacted, 2 for held out, else 0.
    features : FeatureValues
    remarks : list of str
        What is missing or out of date, and which command helps.
    """

    project_name: str
    entity: str
    dated: bool = True
    as_of: pd.Timestamp | None = None
    model: str = ""
    version: int = 0
    keys: list[str] = field(default_factory=list)
    probability: np.ndarray = field(default_factory=lambda: np.empty(0))
    band: pd.Series = field(default_factory=lambda: pd.Series([], dtype="string"))
    actions: pd.DataFrame = field(default_factory=pd.DataFrame)
    segments: pd.DataFrame = field(default_factory=pd.DataFrame)
    segment_titles: dict[str, str] = field(default_factory=dict)
    reasons: pd.DataFrame = field(default_factory=pd.DataFrame)
    scorings: list[PastScoring] = field(default_factory=list)
    all_scorings: int = 0
    history: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.uint16))
    arms: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.uint8))
    features: FeatureValues = field(default_factory=FeatureValues)
    remarks: list[str] = field(default_factory=list)

    @property
    def previous(self) -> int | None:
        """Place of the scoring of the previous feature time; None where there is none."""
        earlier = [place for place, scoring in enumerate(self.scorings) if scoring.time < self.scorings[-1].time]
        return earlier[-1] if earlier else None

    @property
    def change(self) -> np.ndarray:
        """Probability less that of the previous feature time; NaN where there was none."""
        if self.previous is None:
            return np.full(len(self.keys), np.nan)
        before = self.history[self.previous].astype(float)
        return np.where(before == NEVER, np.nan, self.probability - before / SCALE)


def read_dashboard(project: Project) -> DashboardData:
    """Read what the page shows; the tables that are missing are named with the command that makes them.

    Raises
    ------
    UserError
        When there is no warehouse.
    """
    data = DashboardData(project.name, project.entity, not is_dateless(project.vars))
    key = quote(project.entity)
    with connect(project) as connection:
        if not table_exists(connection, SCORES) or not _show_newest(connection, key):
            data.remarks.append(
                "No customer is scored yet. Run `retention score`; it needs a champion, which `retention train` "
                "registers."
            )
            return data
        shown = connection.execute(f"select * from {SHOWN} order by place").df()
        data.as_of = pd.Timestamp(shown["feature_timestamp"].max())
        data.version, data.model = int(shown["model_version"].max()), model_title(shown["model_name"].iloc[0])
        data.keys = shown["customer"].map(key_text).tolist()
        data.probability = shown["churn_probability"].to_numpy(float)
        data.band = shown["risk_band"].astype("string")
        _read_newer(connection, data)
        _read_actions(connection, key, data)
        _read_reasons(connection, key, data)
        if data.dated:
            _read_history(connection, key, data)
        described = described_columns(connection, project)
        data.segment_titles = {name: subject(column) for name, column in described.items()}
        data.segments = read_segments(connection, project, SHOWN, described)
        data.features = read_features(connection, project, SHOWN, data.as_of, described)
    return data


def _show_newest(connection: duckdb.DuckDBPyConnection, key: str) -> int:
    """Make :data:`SHOWN` of the newest scores, and count them."""
    connection.execute(
        f"create temp table {SHOWN} as select row_number() over "
        f"(order by churn_probability desc, cast({key} as varchar)) - 1 as place, {key} as customer, "
        "churn_probability, risk_band, model_name, model_version, feature_timestamp "
        f"from {relation(SCORES)} where churn_probability is not null and feature_timestamp = "
        f"(select max(feature_timestamp) from {relation(SCORES)} where churn_probability is not null)"
    )
    return connection.execute(f"select count(*) from {SHOWN}").fetchall()[0][0]


def _read_newer(connection: duckdb.DuckDBPyConnection, data: DashboardData) -> None:
    if not data.dated or not table_exists(connection, SCORING_SET):
        return
    newest = connection.execute(f"select max(feature_timestamp) from {relation(SCORING_SET)}").fetchall()[0][0]
    if newest is not None and pd.Timestamp(newest) > data.as_of:
        data.remarks.append(f"Features as of {date(newest)} are not scored yet. Run `retention score`.")


def _read_actions(connection: duckdb.DuckDBPyConnection, key: str, data: DashboardData) -> None:
    columns = ("suggested_action", "holdout_flag", "priority", *AMOUNTS, "expires_at")
    data.actions = pd.DataFrame({"campaign": pd.Series(pd.NA, index=range(len(data.keys)), dtype="string")})
    missing = "There is no action list for these scores. Run `retention act`."
    if not table_exists(connection, ACTIONS):
        data.remarks.append(missing)
        return
    listed = connection.execute(
        f"select place, {', '.join(f'actions.{name}' for name in columns)} from {relation(ACTIONS)} as actions "
        f"join {SHOWN} as shown on actions.{key} = shown.customer and actions.feature_timestamp = "
        "shown.feature_timestamp and actions.model_version = shown.model_version"
    ).df()
    if listed.empty:
        data.remarks.append(missing)
        return
    rows = listed.set_index("place").reindex(range(len(data.keys)))
    held = rows["holdout_flag"].astype("boolean")
    rows["campaign"] = held.map({True: HOLDOUT, False: CONTACT}).astype("string").fillna(NOT_LISTED)
    data.actions = rows.drop(columns="holdout_flag")


def _read_reasons(connection: duckdb.DuckDBPyConnection, key: str, data: DashboardData) -> None:
    if not table_exists(connection, REASONS):
        data.remarks.append("There are no reasons for these scores. Run `retention score`.")
        return
    found = connection.execute(
        f"select place, reason_rank, reason from {relation(REASONS)} as reasons join {SHOWN} as shown "
        f"on reasons.{key} = shown.customer and reasons.feature_timestamp = shown.feature_timestamp "
        "where reason is not null"
    ).df()
    wide = found.drop_duplicates(["place", "reason_rank"]).pivot(index="place", columns="reason_rank", values="reason")
    data.reasons = wide.reindex(range(len(data.keys)))


def _read_history(connection: duckdb.DuckDBPyConnection, key: str, data: DashboardData) -> None:
    """Fill the history; its last row is the scores themselves, which a history of an older version may lack."""
    now = PastScoring(data.as_of, data.version, data.model)
    found: list[PastScoring] = []
    if table_exists(connection, HISTORY):
        stored = connection.execute(
            "select feature_timestamp, model_version, any_value(model_name) as model_name "
            f"from {relation(HISTORY)} where feature_timestamp <= ? group by all order by all",
            [data.as_of.to_pydatetime()],
        ).fetchall()
        found = [PastScoring(pd.Timestamp(time), int(version), model_title(name)) for time, version, name in stored]
    else:
        data.remarks.append(
            "There is no history of scores. `retention score` adds to gold.gld_score_history from now on."
        )
    past = [one for one in found if (one.time, one.version) != (now.time, now.version)]
    data.scorings, data.all_scorings = [*_thinned(past, len(data.keys)), now], len(past) + 1
    places = {(one.time, one.version): place for place, one in enumerate(data.scorings)}
    data.history = np.full((len(places), len(data.keys)), NEVER, dtype=np.uint16)
    data.arms = np.zeros(data.history.shape, dtype=np.uint8)
    if found:
        kept = pd.DataFrame([(*moment, at) for moment, at in places.items()], columns=["time", "version", "scoring"])
        connection.register("kept_scorings", kept)
        given = connection.execute(
            "select kept.scoring, shown.place, history.churn_probability as probability, "
            f"case history.campaign_arm when '{HELD_OUT}' then 2 when '{CONTACTED}' then 1 else 0 end as arm "
            f"from {relation(HISTORY)} as history join kept_scorings as kept "
            "on history.feature_timestamp = kept.time and history.model_version = kept.version "
            f"join {SHOWN} as shown on history.{key} = shown.customer where history.churn_probability is not null"
        ).fetchnumpy()
        where = given["scoring"], given["place"]
        data.history[where] = np.rint(SCALE * given["probability"]).astype(np.uint16)
        data.arms[where] = given["arm"]
    data.history[-1] = np.rint(SCALE * data.probability).astype(np.uint16)


def _thinned(scorings: list[PastScoring], customers: int) -> list[PastScoring]:
    """At most as many scorings as fit, at even distances back from the newest one."""
    every = -(-len(scorings) * customers // MOST_SCORES) or 1
    return scorings[::-1][every - 1 :: every][::-1]


def population(data: DashboardData) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Document and arrays of the table of customers, for :func:`python_ml.report.columnar.packed`."""
    columns: list[dict[str, Any]] = []
    arrays: dict[str, np.ndarray] = {}

    def add(name: str, title: str, kind: str, array: np.ndarray, **more: Any) -> None:
        arrays[name] = array
        columns.append({"name": name, "title": title, "kind": kind, **more})

    def add_category(name: str, title: str, values: pd.Series, order: tuple[str, ...] = ()) -> None:
        codes, texts = coded(values)
        known = [text for text in order if text in texts]
        placed = [*known, *(text for text in texts if text not in known)]
        place = np.array([0, *(placed.index(text) + 1 for text in texts)])
        add(name, title, "category", narrowest(place[codes], len(texts)), values=placed)

    millionths = np.rint(1e6 * data.probability).astype(np.uint32)
    add("churn_probability", "Probability", "probability", millionths)
    if data.previous is not None:
        before = data.scorings[data.previous]
        note = f"Since {date(before.time)}" + (
            "" if before.version == data.version else f", by version {before.version}"
        )
        add("churn_probability_change", "Change (points)", "change", data.change.astype(np.float32), note=note)
    add_category("risk_band", "Risk band", data.band, ("high", "medium", "low"))
    if "priority" in data.actions:
        add_category("campaign", "Campaign", data.actions["campaign"], (CONTACT, HOLDOUT, NOT_LISTED))
        add_category("suggested_action", "Suggested action", data.actions["suggested_action"])
        add("priority", "Priority", "rank", data.actions["priority"].to_numpy(np.float32, na_value=np.nan))
        for name, title in AMOUNTS.items():
            values = data.actions[name].to_numpy(np.float32, na_value=np.nan)
            if np.isfinite(values).any():
                add(name, title, "share" if name == "uplift" else "amount", values, hidden=name in ONE_CUSTOMER)
        if data.actions["expires_at"].notna().any():
            day = pd.to_datetime(data.actions["expires_at"]).dt.strftime("%Y-%m-%d")
            add_category("expires_at", "Expires", day)
            columns[-1] |= {"kind": "date", "hidden": True}
    for place, name in enumerate(data.segments):
        add_category(f"segment {place}", data.segment_titles[name], data.segments[name])
        columns[-1] |= {"label": name, "segment": True}
    document = {
        "entity": data.entity,
        "keys": data.keys,
        "columns": columns,
        "as_of": data.as_of.isoformat() if data.dated else None,
        "as_of_text": date(data.as_of) if data.dated else "",
        "version": data.version,
    }
    return document, arrays | {"key_order": _key_order(data.keys)}


def _key_order(keys: list[str]) -> np.ndarray:
    """The order of keys: whole numbers by size, any other keys by their characters."""
    whole = all(key.isascii() and key.isdigit() for key in keys)
    return np.array(sorted(range(len(keys)), key=(lambda i: int(keys[i])) if whole else keys.__getitem__), np.uint32)


def details(data: DashboardData) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Document and arrays of what is shown of one customer."""
    reasons, sentences = coded(pd.Series(data.reasons.to_numpy(object).T.ravel(), dtype="string"))
    document, arrays = data.features.packed()
    return (
        {
            **document,
            "sentences": sentences,
            "ranks": data.reasons.shape[1],
            "scorings": [
                {"time": one.time.isoformat(), "text": date(one.time), "version": one.version, "model": one.model}
                for one in data.scorings
            ],
            "all_scorings": data.all_scorings,
        },
        {**arrays, "reasons": reasons, "history": data.history, "arms": data.arms},
    )


def first_customers(project: Project, most: int) -> pd.DataFrame:
    """The first customers of the action list of the newest scores, then those most at risk.

    Returns
    -------
    pandas.DataFrame, at most ``most`` rows
        The key, ``feature_timestamp`` and ``model_version``; empty where nobody is scored.
    """
    key = quote(project.entity)
    with connect(project) as connection:
        if not table_exists(connection, SCORES) or not _show_newest(connection, key):
            return pd.DataFrame(columns=[project.entity, "feature_timestamp", "model_version"])
        joined, first = "", ""
        if table_exists(connection, ACTIONS):
            joined = (
                f"left join {relation(ACTIONS)} as actions on actions.{key} = shown.customer and "
                "actions.feature_timestamp = shown.feature_timestamp and actions.model_version = shown.model_version"
            )
            first = "actions.priority nulls last, "
        return connection.execute(
            f"select shown.customer as {key}, shown.feature_timestamp, shown.model_version from {SHOWN} as shown "
            f"{joined} order by {first}shown.place limit ?",
            [most],
        ).df()
