"""Performance of every scoring cohort: estimated before its outcomes are known, measured afterwards, and compared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from python_ml.customer_value import period_days, terms_of
from python_ml.dbt import FEATURES, TRAINING_SET
from python_ml.decisions.value import customer_value, value_columns
from python_ml.errors import UserError
from python_ml.formatting import counted
from python_ml.input_columns import InputColumn, model_input
from python_ml.model.evaluate import evaluate
from python_ml.model.held_out import hashes
from python_ml.model.results import interval_columns
from python_ml.monitor.density import DensityRatio, density_ratio
from python_ml.monitor.domain import as_matrix
from python_ml.monitor.estimation import Reference, estimated_performance, resampled_lines
from python_ml.monitor.history import CONTACTED, HELD_OUT
from python_ml.monitor.history import TABLE as HISTORY
from python_ml.monitor.performance_table import judged_rows
from python_ml.monitor.realised import realised_gain, realised_performance, realised_uplift
from python_ml.monitor.reference import fitted_until
from python_ml.stats import some_rows
from python_ml.warehouse import literal, quote, relation, table_exists

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

    from python_ml.model.registry import Champion, ChampionFiles
    from python_ml.project import Project

LEAST_REFERENCE = 100  # rows
LEAST_SHIFT_ROWS = 100
MATURE_SHARE = 0.9  # of a cohort's labels, from which on it is compared with its estimate
HISTOGRAM = np.linspace(0, 1, 21)
COMPARED = ("roc_auc", "pr_auc", "brier", "churn_rate")


def performance_rows(
    project: Project, connection: duckdb.DuckDBPyConnection, champion: Champion, files: ChampionFiles
) -> tuple[list[dict[str, Any]], list[str]]:
    """Measure the cohorts of ``gold.gld_score_history``.

    Parameters
    ----------
    project : Project
    connection : duckdb.DuckDBPyConnection
    champion : Champion
    files : ChampionFiles
        Of the champion.

    Returns
    -------
    list of dict
        Rows of ``gold.gld_model_performance``; those of older versions as far as their models can still be opened.
    list of str
        What could not be looked at, and why.
    """
    if not table_exists(connection, HISTORY):
        return [], ["No scores are kept yet: `retention score` adds them to gold.gld_score_history."]
    cohorts = connection.execute(
        f"select model_version, feature_timestamp from {relation(HISTORY)} where feature_timestamp in "
        f"(select distinct feature_timestamp from {relation(HISTORY)} order by feature_timestamp desc limit ?) "
        "group by all order by all",
        [project.settings.monitor.performance.periods],
    ).fetchall()
    rows, notes = [], []
    for version in sorted({version for version, _ in cohorts}):
        try:
            opened = (champion, files) if version == champion.version else _opened(project, version)
        except UserError as error:
            notes.append(f"Version {version} has scores, but its model cannot be opened: {error.what}")
            continue
        judge, until = _VersionPerformance(project, connection, *opened), fitted_until(opened[0].card)
        periods = [period for v, period in cohorts if v == version]
        later = [period for period in periods if until is not None and period > until]
        if len(later) < len(periods):
            left_out = counted(len(periods) - len(later), "cohort")
            notes.append(f"{left_out} of version {version} not later than its training: performance is not measured.")
        rows += [{**judge.row(period), "is_champion": version == champion.version} for period in later]
        notes += judge.notes
    return judged_rows(rows, project.settings.monitor.performance), notes


def _opened(project: Project, version: int) -> tuple[Champion, ChampionFiles]:
    from python_ml.model.registry import ModelRegistry, open_files

    registry = ModelRegistry.of(project)
    if registry is None:
        raise UserError("there is no registry.", where=project.name)
    files = registry.files(registry.find(version))
    return open_files(files), files


@dataclass
class _VersionPerformance:
    """Measures the cohorts of one version."""

    project: Project
    connection: duckdb.DuckDBPyConnection
    model: Champion
    files: ChampionFiles
    notes: list[str] = field(default_factory=list)

    @property
    def entity(self) -> str:
        return self.project.entity

    @property
    def replicates(self) -> int:
        return self.project.settings.monitor.performance.replicates

    def row(self, period: datetime) -> dict[str, Any]:
        """The cohort of a feature time."""
        cohort = self._cohort(period)
        probability = cohort["churn_probability"].to_numpy(dtype=float)
        bands = cohort["risk_band"]
        quantiles = np.quantile(probability, [0.1, 0.5, 0.9])
        labelled = cohort[cohort["churned"].notna()]
        row = {
            "model_version": self.model.version,
            "model_name": self.model.card.model,
            "period": period,
            "scored_customers": len(cohort),
            "labelled_customers": len(labelled),
            "probability_mean": float(probability.mean()),
            **dict(zip(("probability_p10", "probability_p50", "probability_p90"), map(float, quantiles), strict=True)),
            "high_band_share": float((bands == "high").mean()),
            "medium_band_share": float((bands == "medium").mean()),
            "probability_histogram": json.dumps(np.histogram(probability, HISTOGRAM)[0].tolist()),
            "threshold": self.model.card.risk_bands["high"],
            **interval_columns("reference", self._reference_auc),
        }
        row |= self._estimated(cohort, period)
        row |= self._realised(labelled) if len(labelled) else {}
        row |= self._uplift(labelled)
        if len(labelled) >= MATURE_SHARE * len(cohort):
            row |= {f"{name}_inside": _inside(row, name) for name in COMPARED}
        return row

    def _cohort(self, period: datetime) -> pd.DataFrame:
        key = quote(self.entity)
        labels = table_exists(self.connection, TRAINING_SET)
        value = ", ".join(f"labels.{quote(name)} as {quote(name)}" for name in self._value_columns) if labels else ""
        joined = (
            f"left join {relation(TRAINING_SET)} as labels on labels.{key} = history.{key} "
            "and labels.feature_timestamp = history.feature_timestamp"
        )
        return self.connection.execute(
            f"select history.{key} as {key}, churn_probability, risk_band, campaign_arm, "
            f"{'labels.churned' if labels else 'cast(null as integer)'} as churned {', ' + value if value else ''} "
            f"from {relation(HISTORY)} as history {joined if labels else ''} "
            f"where model_version = ? and history.feature_timestamp = ? order by history.{key}",
            [self.model.version, period],
        ).df()

    @cached_property
    def _value_columns(self) -> list[str]:
        if not table_exists(self.connection, TRAINING_SET):
            return []
        kinds = self.connection.execute(f"select * from {relation(TRAINING_SET)} limit 0").df()
        taken = {self.entity, "churned", "label_timestamp", "label_available_flag"}
        return [n for n in value_columns(kinds, self.project.settings.decisions.value) if n not in taken]

    @cached_property
    def _inputs(self) -> list[InputColumn]:
        """What the model takes, as far as it is still there, for the reference and for later periods."""
        there = [
            set(self.connection.execute(f"select * from {relation(table)} limit 0").df().columns)
            for table in (TRAINING_SET, FEATURES)
            if table_exists(self.connection, table)
        ]
        return [column for column in self.model.card.inputs if all(column.name in names for names in there)]

    @cached_property
    def _reference_frame(self) -> pd.DataFrame | None:
        """The rows that the model was not fitted on, with outcome, probability and features."""
        held_out = self.files.held_out
        if held_out is None or held_out.empty or not table_exists(self.connection, TRAINING_SET):
            return None
        start = self.model.card.fitted_on.get("before")
        later = f"where feature_timestamp >= cast({literal(str(start))} as timestamp)" if start else ""
        names = [self.entity, "feature_timestamp", "churned", *(column.name for column in self._inputs)]
        rows = self.connection.execute(
            f"select {', '.join(map(quote, names))} from {relation(TRAINING_SET)} {later} "
            f"order by {quote(self.entity)}, feature_timestamp"
        ).df()
        rows = rows.assign(row=hashes(rows, self.entity)[1])
        rows = rows.merge(held_out[["row", "probability"]], on="row", how="inner").drop(columns="row")
        return rows if len(rows) >= LEAST_REFERENCE and rows["churned"].nunique() == 2 else None

    @cached_property
    def _reference(self) -> Reference | None:
        rows = self._reference_frame
        if rows is None:
            self.notes.append(
                f"Performance of version {self.model.version} is not estimated: fewer than {LEAST_REFERENCE} of its "
                f"test rows are in {TRAINING_SET}, or they have one outcome."
            )
            return None
        return Reference(
            rows["churned"].to_numpy(float), rows["probability"].to_numpy(float), rows[self.entity].to_numpy()
        )

    @cached_property
    def _reference_auc(self) -> dict[str, Any]:
        rows = self._reference
        if rows is None:
            return {}
        return evaluate(rows.churned, rows.probability, rows.customers, metrics=["roc_auc"], replicates=self.replicates)

    @cached_property
    def _lines(self) -> tuple[tuple[float, float], np.ndarray]:
        return resampled_lines(self._reference, replicates=self.replicates)

    def _estimated(self, cohort: pd.DataFrame, period: datetime) -> dict[str, Any]:
        if self._reference is None:
            return {}
        (line, lines), method, effective = self._lines, "cbpe", float(len(self._reference))
        sample, ratio = self._shift(cohort, period)
        if ratio is not None and ratio.shifted:
            line, lines = resampled_lines(sample, ratio.weights, replicates=self.replicates)
            method, effective = "pape", ratio.effective_rows
        found = estimated_performance(
            cohort["churn_probability"].to_numpy(dtype=float), line, lines, self.model.card.risk_bands["high"]
        )
        return {
            "estimate_method": method,
            "domain_auc": None if ratio is None else ratio.auc,
            "reference_rows": len(self._reference),
            "effective_rows": effective,
            **interval_columns("estimated", found.metrics),
            **{f"estimated_{name}": value for name, value in found.confusion.items()},
        }

    def _shift(self, cohort: pd.DataFrame, period: datetime) -> tuple[Reference | None, DensityRatio | None]:
        """A sample of the reference, weighted as the features of a period demand; None where it cannot be told."""
        import pandas as pd

        if not table_exists(self.connection, FEATURES):
            return None, None
        most, before, key = self.project.settings.monitor.performance.shift_rows, self._reference_frame, self.entity
        keys = cohort[[key]].iloc[some_rows(np.arange(len(cohort)), most)]
        names = [key, *(column.name for column in self._inputs)]
        self.connection.register("sampled_customers", keys)
        current = self.connection.execute(
            f"select {', '.join(map(quote, names))} from {relation(FEATURES)} semi join sampled_customers "
            f"using ({quote(key)}) where feature_timestamp = ? order by {quote(key)}",
            [period],
        ).df()
        self.connection.unregister("sampled_customers")
        chosen = some_rows(np.arange(len(before)), most)
        if min(len(chosen), len(current)) < LEAST_SHIFT_ROWS:
            return None, None
        sampled = before.iloc[chosen].reset_index(drop=True)
        both = pd.concat([model_input(frame, self._inputs) for frame in (sampled, current)], ignore_index=True)
        values = as_matrix(both.set_axis([f"x{i}" for i in range(both.shape[1])], axis=1), self._inputs)
        whole = self._reference
        sample = Reference(whole.churned[chosen], whole.probability[chosen], whole.customers[chosen])
        customers = (sample.customers, current[key].to_numpy())
        return sample, density_ratio(values[: len(chosen)], values[len(chosen) :], customers)

    def _realised(self, labelled: pd.DataFrame) -> dict[str, Any]:
        card, settings = self.model.card, self.project.settings
        churned, probability = (labelled[name].to_numpy(dtype=float) for name in ("churned", "churn_probability"))
        customers = labelled[self.entity].to_numpy()
        found = realised_performance(
            churned, probability, customers, card.risk_bands["high"], replicates=self.replicates
        )
        confusion = found.pop("confusion")
        value = customer_value(
            labelled[self._value_columns],
            probability,
            settings.decisions.value,
            period=period_days(card.label.get("horizon")),
            base_rate=card.base_rate,
            where=settings.where("decisions", "value"),
        )
        gain = realised_gain(
            churned,
            probability,
            customers,
            value.value,
            terms_of(settings.decisions, value.typical),
            settings.decisions.capacity(len(labelled)),
            replicates=self.replicates,
        )
        return {
            **interval_columns("realised", {**found, "profit": gain["profit"]}),
            **{f"realised_{name}": count for name, count in confusion.items()},
            "capacity_share": gain["share"],
            "realised_lift_at_capacity": gain["lift"],
        }

    @staticmethod
    def _uplift(labelled: pd.DataFrame) -> dict[str, Any]:
        arms = labelled["campaign_arm"]
        contacted, held_out = ((arms == arm).to_numpy(dtype=bool) for arm in (CONTACTED, HELD_OUT))
        uplift = realised_uplift(labelled["churned"].to_numpy(dtype=float), contacted, held_out)
        return {
            "contacted_customers": int(contacted.sum()),
            "held_out_customers": int(held_out.sum()),
            **interval_columns("realised", {"uplift": uplift}),
        }


def _inside(row: dict[str, Any], name: str) -> bool | None:
    """Whether the figure that came true lies in the interval of its estimate."""
    figures: Sequence[float | None] = [
        row.get(f"estimated_{name}_low"),
        row.get(f"realised_{name}"),
        row.get(f"estimated_{name}_high"),
    ]
    if any(figure is None for figure in figures):
        return None
    low, value, high = figures
    return bool(low <= value <= high)
