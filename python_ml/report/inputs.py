"""What the report is made from, and reading it from a project."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from python_ml.errors import UserError, without_credentials
from python_ml.files import read_json
from python_ml.report.frames import FRAMES, read_frames

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from python_ml.project import Project

DEFINITION_VARS = ("churn_definition", "horizon", "gap", "step", "active_window", "windows")
TARGET_VARS = ("scenario", "target", "churned_values")

# Records in ``reports/``: the command that writes each file, and the entries that it must have.
RECORDS: dict[str, tuple[str, str, frozenset[str]]] = {
    "campaign": ("actions.json", "act", frozenset({"campaign", "terms", "ranked_by"})),
    "backtest": ("backtest.json", "backtest", frozenset()),
    "uplift": ("uplift.json", "uplift", frozenset()),
    "monitoring": ("monitoring.json", "monitor", frozenset({"summary", "breaches", "model_version"})),
}


Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Part(BaseModel):
    """A part of ``metrics.json``: what is named is validated, other entries are ignored."""

    model_config = ConfigDict(strict=True, extra="allow")


class _ShareEstimate(_Part):
    value: Share | None
    low: Share | None = None
    high: Share | None = None


class _Figures(_Part):
    """Metrics of a model or baseline on one part of the split; which of them there are depends on the settings."""

    roc_auc: _ShareEstimate | None = None
    pr_auc: _ShareEstimate | None = None
    brier: _ShareEstimate | None = None
    ece: _ShareEstimate | None = None
    base_rate: Share | None = None
    n: Annotated[int, Field(ge=0)] | None = None


class _Champion(_Part):
    name: str


class Metrics(_Part):
    """What a report is made of; a page is not replaced by one that is made of less."""

    champion: _Champion
    test: _Figures
    models: dict[str, dict[str, _Figures]] = Field(default_factory=dict)
    baselines: dict[str, dict[str, Any]] = Field(default_factory=dict)
    split: dict[str, Any] = Field(default_factory=dict)
    data: dict[str, Any] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)


@dataclass
class ReportInputs:
    """Everything that the report shows, as plain data.

    Parameters
    ----------
    metrics : dict
        ``reports/metrics.json``.
    project_name, entity : str
        Name of the project, and of the column that identifies a customer.
    definition : dict
        The variables that define churn: ``churn_definition``, ``horizon``, ``gap``, ``step``,
        ``active_window``, ``windows``; for a table with a target ``scenario``, ``target``, ``churned_values``.
    predictions : pandas.DataFrame, optional
        One row per model and row of the validation and test periods: ``model``, ``split``,
        ``feature_timestamp``, ``churned`` (0 or 1), ``probability``. Rows of a model named ``recency``
        or ``oracle`` are drawn as reference lines; only the order of their values counts.
    drivers : pandas.DataFrame, optional
        ``feature``, ``importance`` (log-odds, mean absolute contribution), ``direction`` (-1 to 1).
    scores : pandas.DataFrame, optional
        Newest score of each customer: the entity, ``feature_timestamp``, ``churn_probability``,
        ``risk_band``, ``model_name``, ``model_version``.
    reasons : pandas.DataFrame, optional
        The entity, ``reason_rank``, ``reason``, at least for the riskiest customers.
    outcomes : pandas.DataFrame, optional
        One row per ``feature_timestamp``: ``customers`` at risk, how many of them are ``labelled``, how many
        ``churned``.
    row_counts : pandas.DataFrame, optional
        ``source_table``, ``outcome`` (``kept``, ``kept: <note>``, or why a row is in quarantine), ``row_count``.
    scoring : pandas.DataFrame, optional
        One row: newest ``feature_timestamp`` and the number of ``customers`` to score then.
    survival_evaluation, survival_curves, survival_predictions : pandas.DataFrame, optional
        See :mod:`python_ml.decisions.survival`; where one of them is missing, so is what it would show.
    actions : pandas.DataFrame, optional
        The first of ``gold.gld_retention_actions``, by priority.
    campaign : dict, optional
        ``reports/actions.json``.
    segment_drivers, diagnostics, fairness : pandas.DataFrame, optional
        ``gold.gld_driver_importance`` (the strongest of each segment), ``gold.gld_model_diagnostics`` and
        ``gold.gld_fairness``.
    feature_descriptions : dict
        Feature name to description.
    notices, reviews : tuple of str
        What ``retention init`` notes about the raw files, and what of it requires review.
    quality : dict
        Verdicts of the quality gates (:class:`python_ml.quality.Verdict`), by suite.
    backtest : dict, optional
        ``reports/backtest.json``.
    docs_link : str, optional
        Address of dbt's documentation, relative to the report.
    pages : frozenset of str
        Pages that are there, without ``.html``.
    selection : dict
        How the champion was chosen: ``metric`` and ``tolerance``.
    tracking_uri : str
        Where MLflow keeps the runs.
    uplift : dict, optional
        ``reports/uplift.json``.
    monitoring : dict, optional
        ``reports/monitoring.json``.

    Raises
    ------
    UserError
        When a frame lacks a column.
    """

    metrics: dict[str, Any]
    project_name: str = "customer_retention"
    entity: str = "customer_id"
    definition: dict[str, Any] = field(default_factory=dict)
    predictions: pd.DataFrame | None = None
    drivers: pd.DataFrame | None = None
    scores: pd.DataFrame | None = None
    reasons: pd.DataFrame | None = None
    outcomes: pd.DataFrame | None = None
    row_counts: pd.DataFrame | None = None
    scoring: pd.DataFrame | None = None
    survival_evaluation: pd.DataFrame | None = None
    survival_curves: pd.DataFrame | None = None
    survival_predictions: pd.DataFrame | None = None
    actions: pd.DataFrame | None = None
    campaign: dict[str, Any] | None = None
    segment_drivers: pd.DataFrame | None = None
    diagnostics: pd.DataFrame | None = None
    fairness: pd.DataFrame | None = None
    feature_descriptions: dict[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    reviews: tuple[str, ...] = ()
    quality: dict[str, Any] = field(default_factory=dict)
    backtest: dict[str, Any] | None = None
    docs_link: str | None = None
    pages: frozenset[str] = frozenset()
    selection: dict[str, Any] = field(default_factory=dict)
    tracking_uri: str = "sqlite:///mlflow.db"
    uplift: dict[str, Any] | None = None
    monitoring: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        for name, source in FRAMES.items():
            frame = getattr(self, name)
            columns = (*([self.entity] if source.has_entity else ()), *source.columns)
            missing = [] if frame is None else [column for column in columns if column not in frame.columns]
            if missing:
                raise UserError(
                    f"The {name.replace('_', ' ')} lack the column {', '.join(missing)}.",
                    hint="run `retention run`: they were written by another version of this project",
                )


def load_inputs(project: Project) -> ReportInputs:
    """Read what the last run left in ``reports/`` and in the warehouse.

    Only what the page shows is read: counts are made in the warehouse, and reasons are fetched for the
    customers that are listed.

    Raises
    ------
    UserError
        When there are no metrics yet, a file cannot be read, or there is no warehouse.
    """
    from python_ml.quality.records import read as read_verdicts

    metrics = _read_metrics(project.reports_dir / "metrics.json")
    selection = project.settings.training.selection
    return ReportInputs(
        metrics=metrics,
        project_name=project.name,
        entity=project.entity,
        definition={name: project.vars[name] for name in (*DEFINITION_VARS, *TARGET_VARS) if name in project.vars},
        feature_descriptions=_descriptions(project),
        quality=read_verdicts(project.reports_dir),
        docs_link="../target/index.html" if (project.root / "target" / "index.html").is_file() else None,
        pages=frozenset(path.stem for path in project.reports_dir.glob("*.html")),
        selection={"metric": selection.metric, "tolerance": selection.tolerance},
        tracking_uri=shown_uri(project.tracking_uri, project.root),
        **read_frames(project),
        **{
            name: _read_record(project.reports_dir / file, command, entries)
            for name, (file, command, entries) in RECORDS.items()
        },
        **_findings(project.root / "findings.yaml"),
    )


def _findings(path: Path) -> dict[str, tuple[str, ...]]:
    """Notices and reviews of ``retention init``; none for a project that was made by hand."""
    from python_ml.yaml_io import parsed

    if not path.exists():
        return {}
    with parsed(path, "findings") as (loader, node):
        findings = None if node is None else loader.construct_document(node)
    if not isinstance(findings, dict):
        return {}
    return {name: tuple(str(text) for text in findings.get(name) or []) for name in ("notices", "reviews")}


def shown_uri(uri: str, root: Path) -> str:
    """Write a tracking address for readers: without credentials, and relative to the project's folder."""
    return without_credentials(uri).replace(f"{root}/", "")


def _read_record(path: Path, command: str, entries: frozenset[str] = frozenset()) -> dict[str, Any] | None:
    """An object of ``reports/``; None where the command that writes it has not run."""
    if not path.is_file():
        return None
    hint = f"run `retention {command}` again"
    record = read_json(path, f"file {path.name}", hint)
    if not isinstance(record, dict):
        raise UserError(f"{path.name} does not hold an object.", where=str(path), hint=hint)
    if missing := sorted(entries - record.keys()):
        raise UserError(f"{path.name} lacks {', '.join(missing)}.", where=str(path), hint=hint)
    return record


def _read_metrics(path: Path) -> dict[str, Any]:
    metrics = _read_record(path, "train")
    if metrics is None:
        raise UserError("There are no metrics yet.", where=str(path), hint="run `retention train` first")
    try:
        Metrics.model_validate(metrics)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(
            f"metrics.json is damaged: {first['msg'][0].lower()}{first['msg'][1:]}.",
            where=f"{path}, {'.'.join(map(str, first['loc']))}",
            hint="run `retention train` again",
        ) from error
    return metrics


def _descriptions(project: Project) -> dict[str, str]:
    """Descriptions of the features; without a manifest, features go by their names."""
    from python_ml.dbt import feature_registry

    if not project.manifest_path.exists():
        return {}
    registry = feature_registry(project)
    return {feature.name: feature.description for feature in registry if feature.role == "feature"}
