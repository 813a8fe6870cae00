"""From the gold tables to the action list, with what the test period says about thresholds and profit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd

from python_ml.customer_value import period_days
from python_ml.decisions.action_list import ActionList, action_list, empty_actions
from python_ml.decisions.value import CustomerValue, customer_value, value_columns
from python_ml.durations import days
from python_ml.errors import UserError
from python_ml.handover import taken_over
from python_ml.warehouse import as_frame, has_table, literal, quoted_by

if TYPE_CHECKING:
    import pyarrow as pa

    from python_ml.model.card import ModelCard
    from python_ml.model.registry import Champion
    from python_ml.project import Project
    from python_ml.settings import Settings

ACTIONS = "actions"  # name of the table that is handed over
SURVIVAL, UPLIFT = "gold.gld_survival_estimates", "gold.gld_uplift_estimates"


@dataclass(frozen=True)
class Campaign:
    """Everything that the action list is made from.

    Attributes
    ----------
    scoring_set, scores, reasons : pandas.DataFrame
        Of gold; the rows of the scoring set are those of the scores, in the same order.
    survival, uplift : pandas.DataFrame or None
        Of gold, where there are any for the feature time of the scores.
    contacted : collection
        Keys of customers who were contacted recently.
    sources : mapping
        Source of each feature of the champion.
    base_rate : float
    period : float
        Days that a churn probability speaks of.
    entity : str
    settings : Settings
    dated : bool
        Whether feature times are times, or a constant.
    """

    scoring_set: pd.DataFrame
    scores: pd.DataFrame
    reasons: pd.DataFrame
    survival: pd.DataFrame | None
    uplift: pd.DataFrame | None
    contacted: Collection[object]
    sources: Mapping[str, str | None]
    base_rate: float
    period: float
    entity: str
    settings: Settings
    dated: bool = True

    def value(self) -> CustomerValue:
        """What each scored customer is worth."""
        remaining = None
        if self.survival is not None:
            keys = [self.entity, "feature_timestamp"]
            lives = self.survival[[*keys, "expected_remaining_days"]].drop_duplicates(keys)
            joined = self.scores[keys].merge(lives, on=keys, how="left")
            remaining = joined["expected_remaining_days"].to_numpy(dtype=float)
        return customer_value(
            self.scoring_set,
            self.scores["churn_probability"].to_numpy(dtype=float),
            self.settings.decisions.value,
            period=self.period,
            base_rate=self.base_rate,
            remaining_days=remaining,
            where=self.settings.where("decisions", "value"),
        )

    def actions(self, value: CustomerValue | None = None) -> ActionList:
        """The customers to contact."""
        return action_list(
            self.scores,
            self.reasons,
            value or self.value(),
            self.settings.decisions,
            self.entity,
            uplift=self.uplift,
            contacted=self.contacted,
            sources=self.sources,
            dated=self.dated,
        )


def read_campaign(
    session: Any,
    scoring_set: pd.DataFrame,
    scores: pd.DataFrame,
    reasons: pd.DataFrame,
    *,
    card: ModelCard,
    settings: Settings,
    entity: str,
    dated: bool = True,
) -> Campaign:
    """Bring the tables together.

    Parameters
    ----------
    session : duckdb.DuckDBPyConnection or pyspark.sql.SparkSession
        Reads the tables that a project may lack.
    scoring_set, scores, reasons : pandas.DataFrame
        Of gold.
    card : ModelCard
        The champion's.
    settings : Settings
    entity : str
    dated : bool
        Whether feature times are times, or a constant.

    Raises
    ------
    UserError
        When the scores are not those of the scoring set, or the source of contacts cannot be read.
    """
    keys = [entity, "feature_timestamp"]
    # By key: a table has no order of its own.
    scores = scores.sort_values(entity, kind="stable", ignore_index=True)
    joined = scores[keys].merge(scoring_set.drop_duplicates(keys), on=keys, how="left", indicator=True)
    if len(scores) != len(scoring_set) or (joined["_merge"] != "both").any():
        raise UserError(
            "The scores are not those of the newest features.",
            where="gold.gld_churn_scores",
            hint="run `retention score` first",
        )
    return Campaign(
        scoring_set=joined.drop(columns="_merge"),
        scores=scores,
        reasons=reasons,
        survival=_of_time(session, SURVIVAL, scores),
        uplift=_of_time(session, UPLIFT, scores),
        contacted=recently_contacted(session, scores["feature_timestamp"].max(), entity, settings),
        sources={column.name: column.source for column in card.columns},
        base_rate=card.base_rate,
        period=period_days(card.label.get("horizon")),
        entity=entity,
        settings=settings,
        dated=dated,
    )


def _of_time(session: Any, name: str, scores: pd.DataFrame) -> pd.DataFrame | None:
    """Rows of a table that another command writes, for the feature times of the scores; None where there are none."""
    if not has_table(session, name):
        return None
    frame = as_frame(session.sql(f"select * from {quoted_by(session, *name.split('.'))}"))
    frame = frame[frame["feature_timestamp"].isin(scores["feature_timestamp"].unique())]
    return frame if len(frame) else None


def recently_contacted(session: Any, moment: pd.Timestamp, entity: str, settings: Settings) -> set[object]:
    """Keys of customers who were contacted in the window before ``moment``, as far as it was known then.

    Raises
    ------
    UserError
        When the source or a column of it does not exist.
    """
    suppression = settings.decisions.suppression
    if suppression.source is None:
        return set()
    where = settings.where("decisions", "suppression", "source")
    if not has_table(session, suppression.source):
        raise UserError(
            f"The table {suppression.source} does not exist.", where=where, hint="name a table as schema.table"
        )
    source = quoted_by(session, *suppression.source.split("."))
    known = suppression.available_at or suppression.event_at
    there = session.sql(f"select * from {source} limit 0").columns
    missing = [name for name in (entity, suppression.event_at, known) if name not in there]
    if missing:
        raise UserError(
            f"{suppression.source} has no column {' and no column '.join(dict.fromkeys(missing))}.",
            where=where,
            hint=f"its columns are {', '.join(there)}",
        )
    event_at, known_at = (f"cast({quoted_by(session, name)} as timestamp)" for name in (suppression.event_at, known))
    end = f"timestamp {literal(str(moment))}"
    start = f"timestamp {literal(str(moment - timedelta(days=days(suppression.window))))}"
    rows = as_frame(
        session.sql(
            f"select distinct {quoted_by(session, entity)} as contacted from {source} "
            f"where {event_at} >= {start} and {event_at} < {end} and {known_at} < {end} "
            f"and ({suppression.where or 'true'})"
        )
    )
    return set(rows["contacted"].dropna())


def action_table(
    session: Any,
    scoring_set: pd.DataFrame,
    scores: pd.DataFrame,
    reasons: pd.DataFrame,
    entity: str,
    project: str | None = None,
) -> pd.DataFrame | pa.Table:
    """The action list, for dbt; the command that runs dbt may have made it already (:mod:`python_ml.handover`).

    Without scores the result has no rows but the right types.

    Parameters
    ----------
    session : duckdb.DuckDBPyConnection or pyspark.sql.SparkSession
    scoring_set, scores, reasons : pandas.DataFrame
        Of gold.
    entity : str
        Name of the customer's key column.
    project : str, optional
        As for :func:`python_ml.model.score.score_table`.

    Returns
    -------
    pandas.DataFrame or pyarrow.Table
        See :class:`python_ml.decisions.action_list.ActionList`.
    """
    from python_ml.model.registry import load_champion
    from python_ml.project import Project, is_dateless

    if (made := taken_over(ACTIONS)) is not None:
        return made
    opened = Project.described_by(project)
    champion = load_champion(opened) if len(scores) else None
    if champion is None:
        return empty_actions(entity, scores)
    campaign = read_campaign(
        session,
        scoring_set,
        scores,
        reasons,
        card=champion.card,
        settings=opened.settings,
        entity=entity,
        dated=not is_dateless(opened.vars),
    )
    return campaign.actions().table


def read_judged(project: Project, entity: str, champion: Champion) -> pd.DataFrame | None:
    """Rows of known outcome that the champion was not fitted on, with the features that say what customers were worth.

    These are its validation and test rows. Where the files of the last training are of another version, which did not
    replace it, they are the test rows whose scores are kept with the champion itself.

    Returns
    -------
    pandas.DataFrame or None
        ``split``, the entity, ``feature_timestamp``, ``churned``, ``probability`` and features; None where the training
        left no predictions, or the training set has changed since.
    """
    from python_ml.dbt import TRAINING_SET
    from python_ml.model.held_out import hashes
    from python_ml.model.registry import champion_files
    from python_ml.model.results import read_reports
    from python_ml.warehouse import connect, relation, table_exists

    keys = [entity, "feature_timestamp"]
    with connect(project) as connection:
        if not table_exists(connection, TRAINING_SET):
            return None
        kinds = connection.sql(f"select * from {relation(TRAINING_SET)} limit 0").df()
        columns = [*keys, "churned", *value_columns(kinds, project.settings.decisions.value)]
        selected = ", ".join(quoted_by(connection, name) for name in dict.fromkeys(columns))
        rows = connection.sql(f"select {selected} from {relation(TRAINING_SET)}").df().drop_duplicates(keys)
    if read_reports(project.reports_dir, champion.version, champion.run_id) is not None:
        scores = pd.read_parquet(project.reports_dir / "predictions.parquet")
        scores = scores[scores["model"] == champion.card.model].dropna(subset=["churned", "probability"])
        if scores.empty or entity not in scores:
            return None
        judged = scores.merge(rows.drop(columns="churned"), on=keys, how="inner")
    else:
        files = champion_files(project)
        scores = None if files is None else files.held_out
        if scores is None or scores.empty:
            return None
        rows = rows.assign(row=hashes(rows, entity)[1], split="test")
        judged = rows.merge(scores[["row", "probability"]], on="row", how="inner").drop(columns="row")
    return judged if len(judged) == len(scores) else None
