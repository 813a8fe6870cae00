"""Draws of an experiment, with the features known before each and the outcome after it.

The unit is the draw. Its features are the row of ``gld_customer_features`` at the latest feature time not after the
draw; its outcome is the project's own definition of churn, looked at from the draw on: the model ``gld_churn_labels``
is rendered once more, with the draws in place of the spine. See docs/decisions/0052.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from python_ml.dbt import FEATURES, feature_registry
from python_ml.decisions.uplift.experiment_rows import Experiment, design_probability
from python_ml.durations import fixed_hours
from python_ml.errors import UserError
from python_ml.ingest.macros import rendered
from python_ml.input_columns import NUMBER, InputColumn, model_input, prepared_as, typed_columns
from python_ml.model.leakage_gate import usable
from python_ml.warehouse import connect, literal, quote, relation, table_exists

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

    from python_ml.project import Project
    from python_ml.settings import Uplift

LABELS_MODEL, SPINE_MODEL = "gld_churn_labels", "slv_spine"
AGE = "days_from_features_to_draw"
MOST_ARMS = 10  # named in a message
LOOKING_AHEAD = ("end_date", "inactivity")

# Why draws take no part, in the order in which it is decided.
EXCLUSIONS = {
    "incomplete": "without customer, time or arm",
    "other_arm": "of an arm that is neither the control nor the treated one",
    "contradictory": "drawn into both arms at the same time",
    "repeated": "duplicate draws",
    "not_at_risk": "not at risk at the latest feature time before the draw, or before the first one",
    "outcome_unknown": "outcome not known yet",
    "churned_before": "churned between the feature time and the draw",
}


@dataclass(frozen=True)
class Draws:
    """The draws that can be learnt from.

    Attributes
    ----------
    experiment : Experiment
    columns : list of InputColumn
    drawn_at, known_at : numpy.ndarray of datetime64, shape (n_draws,)
        When the draw was made, and when its outcome window ended.
    contaminated : numpy.ndarray of bool, shape (n_draws,)
        Whether another draw treated the customer within the outcome window.
    stated_probability : numpy.ndarray, shape (n_draws,), or None
        Of the treated arm by design, as ``retention.yml`` says.
    keys : numpy.ndarray of object, shape (n_draws,)
        Customer and time as text: what a simulated truth is matched by.
    excluded : dict of str to int
        Numbers of draws that take no part, by reason.
    """

    experiment: Experiment
    columns: list[InputColumn]
    drawn_at: np.ndarray
    known_at: np.ndarray
    contaminated: np.ndarray
    stated_probability: np.ndarray | None
    keys: np.ndarray
    excluded: dict[str, int]


def read_draws(project: Project) -> Draws:
    """Read the experiment that ``retention.yml`` names.

    Raises
    ------
    UserError
        When a table or column is missing or not of the kind that it should be, or churn cannot be looked at from any
        other time than the spine's.
    """
    settings = project.settings.uplift
    where = project.settings.where("uplift")
    with connect(project) as connection:
        _check_columns(connection, settings, project.entity, where)
        frame = connection.execute(_query(project, settings, where)).df()
    features = usable(feature_registry(project), project.settings)
    columns = prepared_as(typed_columns(frame, features), project.settings)
    return arrange(frame, columns, project.entity, where)


def arrange(frame: pd.DataFrame, columns: list[InputColumn], entity: str, where: str = "retention.yml") -> Draws:
    """Sort out the draws that take no part, and count them by reason.

    Parameters
    ----------
    frame : pandas.DataFrame, n_rows rows
        The entity, the columns of ``columns``, and ``draw__at``, ``draw__arm`` (``treated``, ``control`` or another
        text), ``draw__probability``, ``draw__features_at``, ``draw__churned``, ``draw__known_at``,
        ``draw__is_known`` and ``draw__treated_again``.
    columns : list of InputColumn
    entity : str
    where : str
        Where the experiment is configured, for messages.

    Raises
    ------
    UserError
        When a stated probability is not one.
    """
    frame = frame.sort_values(["draw__at", entity, "draw__arm"], kind="stable", ignore_index=True)
    both = ~frame["draw__arm"].isin(["treated", "control"])
    reason = np.full(len(frame), "", dtype=object)

    def exclude(name: str, rows: pd.Series | np.ndarray) -> None:
        reason[np.asarray(rows, dtype=bool) & (reason == "")] = name

    exclude("incomplete", frame[[entity, "draw__at", "draw__arm"]].isna().any(axis=1))
    exclude("other_arm", both)
    remaining = frame[reason == ""]
    arms = remaining.groupby([entity, "draw__at"])["draw__arm"].transform("nunique").reindex(frame.index)
    exclude("contradictory", arms > 1)
    exclude("repeated", frame.duplicated([entity, "draw__at", "draw__arm"]))
    exclude("not_at_risk", frame["draw__features_at"].isna())
    exclude("outcome_unknown", ~frame["draw__is_known"].fillna(False).astype(bool))
    exclude("churned_before", frame["draw__churned"].isna())
    counted = {name: int((reason == name).sum()) for name in EXCLUSIONS}
    kept = frame[reason == ""].reset_index(drop=True)

    stated = None
    if kept["draw__probability"].notna().any():
        stated = kept["draw__probability"].to_numpy(float)
        if not ((stated > 0) & (stated < 1)).all():
            raise UserError(
                "The probability of an offer is missing, or not between 0 and 1, for some draws.",
                where=f"{where}.probability",
                hint="name a column that has it for every draw, or give one number",
            )
    at = kept["draw__at"].to_numpy("datetime64[us]")
    age = (at - kept["draw__features_at"].to_numpy("datetime64[us]")) / np.timedelta64(1, "D")
    inputs = model_input(kept, columns, where=FEATURES).assign(**{AGE: age})
    treated = (kept["draw__arm"] == "treated").to_numpy(int)
    experiment = Experiment(
        inputs=inputs,
        treated=treated,
        retained=1.0 - kept["draw__churned"].to_numpy(float),
        customers=kept[entity].to_numpy(),
        probability=design_probability(treated, stated),
    )
    keys = kept[entity].astype(str) + " " + kept["draw__at"].astype("datetime64[s]").astype(str)
    return Draws(
        experiment=experiment,
        columns=[*columns, InputColumn(AGE, NUMBER)],
        drawn_at=at,
        known_at=kept["draw__known_at"].to_numpy("datetime64[us]"),
        contaminated=kept["draw__treated_again"].fillna(False).to_numpy(bool),
        stated_probability=stated,
        keys=keys.to_numpy(object),
        excluded={name: count for name, count in counted.items() if count},
    )


def customer_inputs(frame: pd.DataFrame, columns: list[InputColumn]) -> pd.DataFrame:
    """Inputs of customers who are to be offered something right at their feature time, one row each."""
    own = [column for column in columns if column.name != AGE]
    return model_input(frame, own, where="gold.gld_scoring_set").assign(**{AGE: 0.0})


def _query(project: Project, settings: Uplift, where: str) -> str:
    """One row per row of the experiment's table, with features and outcome."""
    entity = quote(project.entity)
    treated = (
        "true" if settings.treated is None else f"cast({quote(settings.arm)} as varchar) = {literal(settings.treated)}"
    )
    if settings.probability is None:
        probability = "cast(null as double)"
    elif isinstance(settings.probability, str):
        probability = f"cast({quote(settings.probability)} as double)"
    else:
        probability = f"cast({settings.probability!r} as double)"
    arm = quote(settings.arm)
    draws = f"""
        select
            {entity},
            cast({quote(settings.time)} as timestamp) as draw__at,
            case
                when {arm} is null then null
                when cast({arm} as varchar) = {literal(settings.control)} then 'control'
                when {treated} then 'treated'
                else 'other'
            end as draw__arm,
            {probability} as draw__probability
        from {relation(settings.table)}
    """
    spine = f"(select distinct {entity}, draw__at as feature_timestamp from draws where draw__at is not null)"
    return f"""
        with draws as materialized ({draws}),
        outcomes as materialized ({_outcomes(project, spine, where)}),
        feature_times as (select distinct feature_timestamp as grid_time from {relation(FEATURES)}),
        timed as (
            select draws.*, grid_time
            from draws
            asof left join feature_times on draws.draw__at >= feature_times.grid_time
        )
        select
            timed.* exclude (grid_time),
            features.* exclude ({entity}),
            features.feature_timestamp as draw__features_at,
            outcomes.churned as draw__churned,
            outcomes.label_timestamp as draw__known_at,
            outcomes.label_available_flag as draw__is_known,
            exists (
                select 1
                from draws as later
                where
                    later.{entity} = timed.{entity}
                    and later.draw__arm = 'treated'
                    and later.draw__at > timed.draw__at
                    and later.draw__at < outcomes.label_timestamp
            ) as draw__treated_again
        from timed
        left join {relation(FEATURES)} as features
            on timed.{entity} = features.{entity} and timed.grid_time = features.feature_timestamp
        left join outcomes
            on timed.{entity} = outcomes.{entity} and timed.draw__at = outcomes.feature_timestamp
    """


def _outcomes(project: Project, spine: str, where: str) -> str:
    """The model of the labels with draws for a spine: churn from the draw to the end of gap and horizon."""
    variables = project.vars
    if variables.get("churn_definition") not in LOOKING_AHEAD:
        raise UserError(
            "Uplift needs a definition of churn that can be evaluated from the time of an offer.",
            where=where,
            hint="supplied labels exist at their own times only; use a project whose churn_definition is end_date or "
            "inactivity, or leave `uplift.table` out",
        )
    nodes = {node["name"]: node for node in project.manifest["nodes"].values() if node["resource_type"] != "test"}

    def ref(*names: str) -> str:
        if names[-1] == SPINE_MODEL:
            return spine
        node = nodes.get(names[-1])
        if node is None:
            raise UserError(f"The project has no model {names[-1]}.", where=LABELS_MODEL, hint="run `retention build`")
        return relation(f"{node['schema']}.{node.get('alias') or node['name']}")

    if LABELS_MODEL not in nodes:
        raise UserError(
            f"The project has no model {LABELS_MODEL}.",
            where=str(project.manifest_path),
            hint="run `retention build`",
        )
    return rendered(
        nodes[LABELS_MODEL]["raw_code"],
        ref=ref,
        variables={**variables, "gap": "0d", "horizon": outcome_window(variables)},
    )


def outcome_window(variables: dict[str, Any]) -> str:
    """How far the outcome of a draw looks ahead, such as ``720h``: gap and horizon together.

    Raises
    ------
    UserError
        When there is no horizon of a fixed length.
    """
    hours = [fixed_hours(str(variables.get(name, default))) for name, default in (("horizon", ""), ("gap", "0d"))]
    if None in hours or not hours[0]:
        raise UserError(
            "The horizon or the gap is not a duration.",
            where="dbt_project.yml, vars",
            hint="write 30d or 2w, for instance",
        )
    return f"{sum(hours)}h"


def _check_columns(connection: duckdb.DuckDBPyConnection, settings: Uplift, entity: str, where: str) -> None:
    for table in (settings.table, FEATURES):
        if not table_exists(connection, table):
            raise UserError(
                f"The table {table} does not exist.",
                where=f"{where}.table" if table == settings.table else table,
                hint="write it as schema.table, such as bronze.brz_crm__offers, and run `retention build`",
            )
    names = [row[0] for row in connection.execute(f"describe {relation(settings.table)}").fetchall()]
    wanted = {"the key of the customer": entity, "uplift.time": settings.time, "uplift.arm": settings.arm}
    if isinstance(settings.probability, str):
        wanted["uplift.probability"] = settings.probability
    for role, name in wanted.items():
        if name not in names:
            raise UserError(
                f"The table {settings.table} has no column `{name}` ({role}).",
                where=where,
                hint=f"its columns: {', '.join(names)}",
            )
    table = relation(settings.table)
    for role, kind in (("time", "timestamp"), ("probability", "double")):
        name = wanted.get(f"uplift.{role}")
        unread = (
            name
            and connection.execute(
                f"select any_value({quote(name)}) from {table} where try_cast({quote(name)} as {kind}) is null"
            ).fetchone()
        )
        if unread and unread[0] is not None:
            raise UserError(
                f"The column `{name}` of {settings.table} is no {'time' if role == 'time' else 'number'}, such as in "
                f"{str(unread[0])!r}.",
                where=f"{where}.{role}",
                hint=f"its columns: {', '.join(names)}",
            )


def check_arms(project: Project) -> None:
    """Refuse an arm that no row of the experiment has: it is more likely misspelt than yet to come.

    Raises
    ------
    UserError
        When a table or column is missing, or no row has the control or the treated arm that ``retention.yml`` names.
    """
    settings, where = project.settings.uplift, project.settings.where("uplift")
    with connect(project) as connection:
        _check_columns(connection, settings, project.entity, where)
        arm, table = quote(settings.arm), relation(settings.table)
        rows = connection.execute(f"select distinct cast({arm} as varchar) as arm from {table} order by arm").fetchall()
    arms = [arm for (arm,) in rows if arm is not None]
    for role, value in (("control", settings.control), ("treated", settings.treated)):
        if arms and value is not None and value not in arms:
            raise UserError(
                f"No row of {settings.table} has the arm {value!r}.",
                where=f"{where}.{role}",
                hint=f"the column `{settings.arm}` has {', '.join(map(repr, arms[:MOST_ARMS]))}"
                + (" and more" if len(arms) > MOST_ARMS else ""),
            )
