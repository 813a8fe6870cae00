"""The walk through history: at each step score, act, monitor and retrain with what was known; kept step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from python_ml.dbt import FEATURES, SCORES, TRAINING_SET
from python_ml.errors import RetentionError, UserError
from python_ml.files import read_json, replacing, write_json
from python_ml.model.dataset import TrainingSet, check_training_set
from python_ml.monitor import drift_table, history, performance_table
from python_ml.monitor.rehearsal.versions import RehearsedVersion, VersionFolder
from python_ml.monitor.rehearsal.visible import FEATURE_COLUMNS
from python_ml.monitor.retraining import RETRAIN, RetrainingDecision, decide_retraining
from python_ml.warehouse import arrow_table, quote, relation, replace_rows

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from python_ml.dbt import Feature
    from python_ml.monitor.rehearsal.visible import Source
    from python_ml.project import Project
    from python_ml.settings import Settings

POLICIES = TRIGGERED, NEVER, ALWAYS = "triggered", "never", "always"
PROMOTED, REFUSED, FAILED = "promoted", "refused", "failed"


@dataclass(frozen=True)
class FinishedStep:
    """A step that is done.

    Attributes
    ----------
    record : dict
        ``time``, ``customers``, ``labelled_rows``, ``left_out`` (features of components that were fitted later),
        ``replay``, ``terms``, and by policy in ``policies`` the version that scored, what was decided and what came of
        it, and ``next``, the version that scores from the next step on.
    scores : pandas.DataFrame
        One row per policy and customer.
    """

    record: dict[str, Any]
    scores: pd.DataFrame


@dataclass
class Walk:
    """Steps of a rehearsal, resumed where they ended.

    Attributes
    ----------
    project : Project
        Its settings and definitions; its tables and models are not touched.
    times : sequence of datetime
        Feature times of the steps.
    source : callable
        Gives what was visible at a time; see :class:`python_ml.monitor.rehearsal.visible.BuiltWarehouse`.
    features : list of Feature
    folder : Path
        For models and finished steps.
    progress : callable
        Told of each finished step.
    """

    project: Project
    times: Sequence[datetime]
    source: Source
    features: list[Feature]
    folder: Path
    progress: Callable[[str], None] = field(default=lambda message: None)

    def run(self) -> list[FinishedStep]:
        """Take the steps that are not done yet.

        Raises
        ------
        UserError
            When the rows that were known at the first step cannot give a model.
        GateError
            When a column is likely to know the outcome.
        """
        done: list[FinishedStep] = []
        for place, time in enumerate(self.times):
            step = self._stored(place)
            if step is None:
                step = self._taken(place, time, done)
                with replacing(self._path(place, "parquet")) as path:
                    step.scores.to_parquet(path, index=False)
                write_json(self._path(place, "json"), step.record, default=str)  # last: it says that the step is done
                step = self._stored(place)
                assert step is not None
                self.progress(self._sentence(place, step.record))
            done.append(step)
        return done

    @property
    def versions(self) -> VersionFolder:
        """The models that were trained on the way."""
        return VersionFolder(self.folder / "versions")

    @cached_property
    def settings(self) -> Settings:
        """Those of the project, with the models of the rehearsal and without tuning."""
        settings = self.project.settings
        tuning = settings.training.tuning.model_copy(update={"enabled": False})
        settings = settings.model_copy(update={"training": settings.training.model_copy(update={"tuning": tuning})})
        return settings if settings.rehearsal.models is None else settings.with_models(settings.rehearsal.models)

    def _path(self, place: int, kind: str) -> Path:
        return self.folder / "steps" / f"{place + 1:04d}.{kind}"

    def _stored(self, place: int) -> FinishedStep | None:
        record, scores = self._path(place, "json"), self._path(place, "parquet")
        if not record.is_file():
            return None
        again = "run `retention rehearse --restart`"
        return FinishedStep(read_json(record, "step of a rehearsal", again), pd.read_parquet(scores))

    def _taken(self, place: int, time: datetime, done: Sequence[FinishedStep]) -> FinishedStep:
        with self.source(time) as visible:
            at = _AtStep(self, visible.connection, place, time)
            if not done:
                self.versions.train(1, time, at.rows, at.training_settings)
            before = done[-1].record["policies"] if done else {}
            scored = {name: before[name]["next"] if done else 1 for name in POLICIES}
            newest = before[TRIGGERED]["newest"] if done else 1
            frames = {number: at.scored(self.versions[number]) for number in sorted(set(scored.values()))}
            scores = pd.concat(
                [frames[number].assign(policy=name) for name, number in scored.items()], ignore_index=True
            )
            policies = {name: at.described(number, frames[number]) for name, number in scored.items()}
            policies[NEVER] |= {"next": scored[NEVER]}
            policies[ALWAYS] |= at.renewed(self.versions[scored[ALWAYS]])
            cohorts = [step.scores for step in done] + [scores]
            policies[TRIGGERED] |= at.decided(self.versions[scored[TRIGGERED]], self.versions[newest], cohorts)
            replay = None if visible.replay is None else {**asdict(visible.replay), "same": visible.replay.identical}
            return FinishedStep(
                {
                    "time": time.isoformat(),
                    "customers": len(at.scoring_set),
                    "labelled_rows": len(at.rows.frame),
                    "left_out": at.left_out,
                    "replay": replay,
                    "terms": asdict(at.terms),
                    "capacity": self.settings.decisions.capacity(len(at.scoring_set)),
                    "policies": policies,
                },
                scores,
            )

    def _sentence(self, place: int, record: dict[str, Any]) -> str:
        policy = record["policies"][TRIGGERED]
        trained = f", version {policy['trained']} {policy['outcome']}" if policy["trained"] else ""
        return (
            f"step {place + 1} of {len(self.times)}: {record['time'][:10]}, {record['customers']:,} customers scored "
            f"by version {policy['version']}: {policy['decision']}{trained}"
        )


class _AtStep:
    """What is done at one step, with nothing but what was visible then."""

    def __init__(self, walk: Walk, connection: duckdb.DuckDBPyConnection, place: int, time: datetime) -> None:
        self.walk, self.connection, self.number, self.time = walk, connection, place + 1, time
        self.project, self.settings, self.entity = walk.project, walk.settings, walk.project.entity
        self.is_last = self.number == len(walk.times)
        self.scoring_set = connection.execute(
            f"select {FEATURE_COLUMNS} from {relation(FEATURES)} where feature_timestamp = ? "
            f"order by {quote(self.entity)}",
            [time],
        ).df()
        if self.scoring_set.empty:
            raise UserError(f"Nobody was at risk at {time}.", where=FEATURES, hint="leave that time out")

    @cached_property
    def rows(self) -> TrainingSet:
        """The labelled rows of that time."""
        from python_ml.snapshots.training_rows import training_rows

        table = self.connection.sql(f"select * from {relation(TRAINING_SET)}").to_arrow_table()
        return training_rows(table, self.walk.features, self.project, f"rehearsal as of {self.time}")

    @cached_property
    def left_out(self) -> list[str]:
        """Features of components that were fitted on texts of the time that models are measured on, or of later."""
        from python_ml.model.fitted_features import fitted_after
        from python_ml.model.leakage_gate import usable
        from python_ml.model.preparation import split_rows

        check_training_set(self.rows.frame, self.entity)
        frame = self.rows.frame.sort_values(["feature_timestamp", self.entity], kind="stable", ignore_index=True)
        split = split_rows(frame, self.entity, self.settings, self.rows.scenario)
        measured = getattr(split, "validation_from", None) or getattr(split, "test_from", None) or self.time
        limit = min(pd.Timestamp(measured), pd.Timestamp(self.time))
        return [feature.name for feature in fitted_after(usable(self.walk.features, self.settings), limit)]

    @property
    def training_settings(self) -> Settings:
        """The settings without features that did not exist yet."""
        features = self.settings.features
        exclude = (*features.exclude, *self.left_out)
        return self.settings.model_copy(update={"features": features.model_copy(update={"exclude": exclude})})

    @cached_property
    def value(self) -> Any:
        """What customers are worth at that time, whoever scores them."""
        import numpy as np

        from python_ml.customer_value import period_days
        from python_ml.decisions.value import customer_value

        base_rate = float(self.rows.frame["churned"].mean())
        return customer_value(
            self.scoring_set,
            np.full(len(self.scoring_set), base_rate),
            self.settings.decisions.value,
            period=period_days(self.rows.label.get("horizon")),
            base_rate=base_rate,
            where=self.settings.where("decisions", "value"),
        )

    @property
    def terms(self) -> Any:
        """Costs and success rate of that time."""
        from python_ml.customer_value import terms_of

        return terms_of(self.settings.decisions, self.value.typical)

    def scored(self, version: RehearsedVersion) -> pd.DataFrame:
        """The customers of that time with probability, band, value, and whether they are on the list."""
        from python_ml.decisions.campaign import read_campaign
        from python_ml.model.score import reasons, score

        champion, entity = version.opened(), self.entity
        scores = score(self.scoring_set, champion, entity)
        why = reasons(self.scoring_set, champion, entity, self.settings.scoring.reasons)
        campaign = read_campaign(
            self.connection, self.scoring_set, scores, why, card=champion.card, settings=self.settings, entity=entity
        )
        actions = campaign.actions().table.set_index(entity)
        held_out = scores[entity].map(actions["holdout_flag"])
        return scores.assign(
            campaign_arm=held_out.map({True: history.HELD_OUT, False: history.CONTACTED}).astype("string"),
            expected_profit=scores[entity].map(actions["expected_profit"]).astype(float),
            customer_value=self.value.value,
        )

    @staticmethod
    def described(number: int, frame: pd.DataFrame) -> dict[str, Any]:
        """Who scored, and whom the list would have contacted."""
        contacted = frame["campaign_arm"].eq(history.CONTACTED).fillna(False)
        return {
            "version": number,
            "model": frame["model_name"].iloc[0],
            "contacted": int(contacted.sum()),
            "held_out": int(frame["campaign_arm"].eq(history.HELD_OUT).fillna(False).sum()),
            "expected_profit": float(frame.loc[contacted, "expected_profit"].sum()),
            "trained": None,
            "outcome": None,
            "outcome_reason": None,
        }

    def renewed(self, current: RehearsedVersion) -> dict[str, Any]:
        """Train and go live, whatever the evidence; not where the same rows were trained on before."""
        if self.is_last or current.sha256 == self.rows.sha256:
            return {"next": current.number}
        made, failure = self._train()
        if made is None:
            return {"next": current.number, "outcome": FAILED, "outcome_reason": failure}
        return {"next": made.number, "trained": made.number, "outcome": PROMOTED}

    def decided(
        self, champion: RehearsedVersion, newest: RehearsedVersion, cohorts: Sequence[pd.DataFrame]
    ) -> dict[str, Any]:
        """Monitor, decide, and where a trigger fires train a challenger and compare it."""
        decision = self._decision(champion, newest, cohorts)
        found = {
            "decision": decision.decision,
            "trigger": decision.trigger,
            "reason": decision.reason,
            "triggers": [asdict(one) for one in decision.triggers],
            "evidence": asdict(decision.evidence),
            "next": champion.number,
            "newest": newest.number,
        }
        if decision.decision != RETRAIN or self.is_last:
            return found
        made, failure = self._train()
        if made is None:
            return {**found, "outcome": FAILED, "outcome_reason": failure}
        from python_ml.model.comparison import decide

        verdict = decide(made.contender(), champion.contender(), self.rows, self.settings)
        return {
            **found,
            "newest": made.number,
            "next": made.number if verdict.promoted else champion.number,
            "trained": made.number,
            "outcome": PROMOTED if verdict.promoted else REFUSED,
            "outcome_reason": verdict.reason,
        }

    def _train(self) -> tuple[RehearsedVersion | None, str | None]:
        """The model of this step; policies that train at it share it."""
        try:
            return self.walk.versions.train(self.number, self.time, self.rows, self.training_settings), None
        except RetentionError as error:  # production keeps its champion, too
            return None, error.what

    def _decision(
        self, champion: RehearsedVersion, newest: RehearsedVersion, cohorts: Sequence[pd.DataFrame]
    ) -> RetrainingDecision:
        from python_ml.monitor.monitoring import measured_drift
        from python_ml.monitor.performance import performance_rows
        from python_ml.monitor.retraining_evidence import evidence_of

        opened, files, retraining = champion.opened(), champion.files, self.settings.retraining
        self._put(SCORES, cohorts[-1], champion.number)
        self._put(history.TABLE, pd.concat(cohorts, ignore_index=True), champion.number)
        drift, _ = measured_drift(self.project, self.connection, opened, files)
        performance, _ = performance_rows(self.project, self.connection, opened, files)
        replace_rows(self.connection, drift_table.TABLE, drift_table.drift_table(drift))
        measured = arrow_table(performance, performance_table.COLUMNS)
        replace_rows(self.connection, performance_table.TABLE, measured)
        evidence = evidence_of(
            self.connection, champion.registered(), newest.registered(), champion.metrics, retraining.metric
        )
        return decide_retraining(evidence, retraining)

    def _put(self, name: str, scores: pd.DataFrame, version: int) -> None:
        """Scores of a version as production keeps them; nobody was really contacted, so there is no arm."""
        rows = scores[(scores["policy"] == TRIGGERED) & (scores["model_version"] == version)]
        rows = rows[[self.entity, *(column for column in history.COLUMNS if column != "campaign_arm")]]
        replace_rows(self.connection, name, _with_arm(rows))


def _with_arm(rows: pd.DataFrame) -> pa.Table:
    import pyarrow as pa

    table = pa.Table.from_pandas(rows, preserve_index=False)
    return table.append_column("campaign_arm", pa.nulls(len(rows), pa.string()))
